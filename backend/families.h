/* families.h - the kernels that lower.c chooses from; each function builds the loops of one
 * operation (a fused one or a single one) and says how many trips they make. */
#ifndef BACKEND_FAMILIES_H
#define BACKEND_FAMILIES_H

#include "backend/region.h"

typedef struct {
  LoopKernel *kernel;
  const Op *op;
  const Target *target;
  DimTable *dims;
  int first_fault;   /* number of the first place that can fault; 0: none can */
  bool in_place;     /* result 0 lies where operand 0 does, */
  bool over_operand; /* or any result where any operand does: no element may be made twice */
  /* what the family sets: */
  const Dim *trips;
  const char *algorithm;
  int64_t grain; /* fewest trips worth a thread */
} Lowering;

/* Every element on its own. */
void lower_map(Lowering *lowering);
/* A transpose alone, by fewer axes; false, and nothing done, if no two stay neighbours. */
bool lower_joined(Lowering *lowering);
/* A pad as a copy of rows; false, and nothing done, if it is none. */
bool lower_pad(Lowering *lowering);
/* A map of elements where operands lie along the result's axis `across`, in rows `apart` elements
 * from each other, and the result along `last`; false, and nothing done, if it is none of this
 * kind. */
bool lower_turned(Lowering *lowering, Region *region, const Type *shape, int across, int last,
                  double apart);
/* Pooling whose windows overlap and whose channels lie side by side, and its gradients, by tiles;
 * false, and nothing done, if it is none. */
bool lower_pool(Lowering *lowering, Region *region);
/* A tensor of random numbers by whole blocks; false, and nothing done, if it is not one, or small.
 */
bool lower_random(Lowering *lowering, Region *region);
/* Operand `part` of a concat, copied to its place in the result (whose operand it is the second).
 */
void lower_concat_part(Lowering *lowering, int part);
/* A copy between dense memory and the corner of a tensor that lies at its bound. */
void lower_corner(Lowering *lowering, const Type *tensor, bool reads);
/* An update whose result lies over its operand: only what is new is stored. */
void lower_update_in_place(Lowering *lowering);
/* Reductions over rows, softmax, and what is fused with them. */
void lower_row(Lowering *lowering);
/* One sum or maximum over the middle axes of maps, a number a channel (`region` is the kernel's,
 * just opened); false, and nothing done, if it is none. */
bool lower_channel_sums(Lowering *lowering, Region *region);
/* Rows cut into panels, and sums of blocks of them; false, and nothing done, if it is not that. */
bool lower_panel_sums(Lowering *lowering, Region *region);
/* dot, conv and their like, with their epilogues. */
void lower_product(Lowering *lowering);
/* A weight transformed for conv_winograd. */
void lower_winograd_weight(Lowering *lowering);
/* argmax, top_k, scatter_add. */
void lower_index(Lowering *lowering);
void lower_argmax(Lowering *lowering);
void lower_top_k(Lowering *lowering);
/* Opens trips over all of a shape's axes but `axis`, whose index is left open. */
void index_open_rows(Lowering *lowering, const Type *shape, int axis, Index *index);

/* Of how many results at once the processor gathers lines without writing them in pieces; bytes of
 * rows that lie apart, for most of their lines to be whole. */
enum { LOWER_STREAMS = 2, LOWER_STREAM_ROW = 256 };
/* A result that the kernel stores once, in order along its lines: past the caches if it is far
 * beyond them (a bound that is: sizes are asked at the call) and lies over no operand. */
void lower_streams(const Lowering *lowering, LoopBuffer *buffer, const Value *value);
/* All results of a kernel, if they are few enough. */
void lower_streams_all(const Lowering *lowering, const Region *region);

/* Work of one trip in elements, for the grain: how many trips keep a thread busy long enough to be
 * worth waking (about 10 us). */
int64_t grain_for(int64_t elements_per_trip, bool dear);

#endif
