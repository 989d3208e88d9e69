/* pool.h - pooling by tiles: windows of neighbouring results share elements, so some results are
 * made at once from registers. lower_pool.c finds what is pooled, cuts the maps and opens the
 * loops; pool_tile.c makes a tile. */
#ifndef BACKEND_POOL_H
#define BACKEND_POOL_H

#include "backend/families.h"

enum {
  POOL_TILE = 8,    /* results of a tile along an axis, at most */
  POOL_SOURCES = 16 /* places of the source that a tile reads along an axis, at most */
};

typedef enum {
  POOL_REDUCE, /* the greatest or the sum of a window's elements */
  POOL_WHICH,  /* the number of the greatest */
  POOL_OVERLAP /* the sum over the windows that cover an element */
} PoolKind;

/* One of the axes that windows go over. Tile t reads the source from t * step + first on, and makes
 * results from t * results on. */
typedef struct {
  int axis; /* -1: none, there is but one other */
  int64_t kernel, stride, pad, step, first;
  int results, sources;          /* of a tile */
  const Dim *size, *source_size; /* of the map of results, and of what is read */
} PoolAxis;

/* A tile along an axis: where its places are, and whether they are in the map. */
typedef enum { PLACE_INSIDE, PLACE_OUTSIDE, PLACE_ASKED } PoolPlaceKind;
typedef struct {
  LoopExpr *at, *inside; /* `inside` where it must be asked */
  PoolPlaceKind kind;
} PoolPlace;
typedef struct {
  PoolPlace sources[POOL_SOURCES], results[POOL_TILE];
} PoolPlaces;

typedef struct {
  Lowering *l;
  Region *region;
  PoolKind kind;
  Operator reduction; /* OP_sum or OP_max */
  const Op *op;       /* whose result is made here */
  const Value *source;
  Number other; /* the value of elements outside */
  bool neutral; /* which changes nothing */
  int more;     /* axes that the source has behind the result's, all at 0 if it is reduced */
  PoolAxis axes[2];
  Index index[MOST_AXES]; /* of the result, but for the windows' axes */
} Pool;

/* The innermost loops' body: all results of a tile, stored. */
void pool_tile(Pool *pool, const PoolPlaces *rows, const PoolPlaces *columns);

#endif
