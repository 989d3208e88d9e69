/* map.h - what the kernels of maps share: `lower_map` asks for a flat one first (map_flat.c), then
 * for the order of a general one's loops (map_order.c). */
#ifndef BACKEND_MAP_H
#define BACKEND_MAP_H

#include "backend/families.h"

enum {
  MAP_BLOCK = 4096,  /* elements of a trip where there is one long axis */
  MAP_REGISTERS = 4, /* vector registers of one step */
  MAP_ACROSS = 16,   /* a cache line of f32 */
  MAP_VISITS = 4096  /* of values while what a kernel reads is traced: once for each use */
};

/* Whether an element takes so long that fewer of them are worth a thread. */
bool map_is_dear(const Op *op);

/* Opens two loops over `sizes`: all axes but the last are trips; a single axis is cut into blocks.
 * Sets the lowering's trips and grain. `at`: the place along each axis. */
void map_open(Lowering *lowering, LoopKernel *kernel, LoopExpr *const *sizes,
              const Dim *const *dims, int count, int lanes, LoopExpr **at);

/* Rows that indices name in a table, and what is elementwise behind them;
 * false, and nothing done, if it is not that. */
bool map_named_rows(Lowering *lowering, Region *region, const Type *shape);

/* False, and nothing done, if the region is not of elementwise operations alone. */
bool map_flat(Lowering *lowering, Region *region, const Type *shape);

/* False, and nothing done, if the result's elements are not repeated along a short last axis. */
bool map_repeated(Lowering *lowering, Region *region, const Type *shape);

/* The result's axis along which the largest operand lies side by side in memory. */
typedef struct {
  const Region *region;
  int axis; /* -1: none found */
  int next; /* the result's axis along which its lines follow each other; -1: none */
  int visits;
  double elements,
      apart; /* of it all; from one of the result's last axis to the next (0: unknown) */
  double turned, straight; /* elements of operands that lie along other axes, and along the last */
  int last;
} MapAlong;

MapAlong map_along(const Region *region, const Type *shape);

/* Where the loops over a shape go, from the outside in: `outer` axes and blocks of the `across`
 * axis, of which the first are trips; the lanes' axis; the rest. */
typedef struct {
  int lanes, across; /* -1: none */
  int outer[MOST_AXES], outer_count;
  int inner[MOST_AXES], inner_count;
  bool pieces; /* lines are moved in pieces, as they lie */
} MapOrder;

/* Lanes run along the last axis; if it is short along a long one, with strided stores. Where an
 * operand is transposed its lines are used whole: by turns of the axis along which they run. */
MapOrder map_order(const Region *region, const Type *shape, const MapAlong *along);

#endif
