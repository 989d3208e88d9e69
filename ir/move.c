#include "ir/move.h"

#include "ir/narrow.h"

#include <string.h>

enum {
  WALK_AXES = 16,
  GUARDS = 4,
  SCALE = GUARDS, /* the index of an element's scale goes along like a guard's */
  INDICES,
  AT_ONCE = 1 << 16, /* bytes: less is not worth keeping for later */
};

/* An axis of the walk: `stride` in elements of the source, and how the indices grow. */
typedef struct {
  int64_t size, stride, grows[INDICES];
} WalkAxis;

/* The result's elements in order are those at start + the sum of index * stride, where each
 * guard's index, first + the sum of index * grows, is in [0, limit); others are `fill`. The axes
 * are the walk's own: a reshape changes nothing. If `element` is not the source's, elements are
 * rounded to it, divided by the scale at its index before (scales NULL: by none). */
typedef struct DataMove {
  const Data *source;
  Element element;
  const Data *scales; /* f32 */
  int64_t start;
  int rank, guards;
  WalkAxis axes[WALK_AXES];
  int64_t first[INDICES], limit[GUARDS];
  double fill;
} DataMove;

/* Where each axis of a shape is in the walk: axes [begin, end); none if its size is 1. */
typedef struct {
  int begin, end;
} Part;

/* ---- walks ---- */

static bool add_axis(DataMove *move, WalkAxis axis) {
  if (axis.size == 1) return true;
  if (move->rank > 0) {
    WalkAxis *last = &move->axes[move->rank - 1];
    bool joins = last->stride == axis.size * axis.stride &&
                 last->grows[SCALE] == axis.size * axis.grows[SCALE];
    for (int g = 0; g < move->guards; g++)
      joins = joins && last->grows[g] == axis.size * axis.grows[g];
    if (joins) {
      axis.size *= last->size;
      *last = axis;
      return true;
    }
  }
  if (move->rank == WALK_AXES) return false;
  move->axes[move->rank++] = axis;
  return true;
}

static DataMove walk_of(const Data *data) {
  if (data->move && !data->bytes) return *data->move;
  data_contents(data);
  DataMove move = {
      .source = data, .element = data->element, .rank = 1, .axes = {{data->count, 1, {0}}}};
  return move;
}

/* Cuts the walk's axes so that each axis of the shape is some of them. */
static bool walk_align(DataMove *move, const Type *type, Part *parts) {
  DataMove cut = *move;
  cut.rank = 0;
  int next = 0;
  WalkAxis left = {.size = 1};
  for (int i = 0; i < type->rank; i++) {
    int64_t wanted = dim_value(type->dims[i]);
    parts[i].begin = cut.rank;
    while (wanted > 1) {
      while (left.size == 1) {
        if (next == move->rank) return false;
        left = move->axes[next++];
      }
      if (cut.rank == WALK_AXES) return false;
      WalkAxis *axis = &cut.axes[cut.rank++];
      *axis = left;
      if (left.size <= wanted) {
        if (wanted % left.size != 0) return false;
        wanted /= left.size;
        left.size = 1;
        continue;
      }
      if (left.size % wanted != 0) return false;
      left.size /= wanted; /* what is left runs within a step of this one */
      axis->size = wanted;
      axis->stride *= left.size;
      for (int g = 0; g < INDICES; g++) axis->grows[g] *= left.size;
      wanted = 1;
    }
    parts[i].end = cut.rank;
  }
  *move = cut;
  return true;
}

static Data *finish(Arena *arena, const DataMove *walk, int64_t count) {
  Data *data = data_new(arena, walk->element, count, NULL);
  DataMove *move = ARENA_NEW(arena, DataMove);
  *move = *walk;
  data->move = move;
  data->arena = arena;
  if (data_bytes(data) <= AT_ONCE) data_contents(data);
  return data;
}

/* The data's walk along the axes of its shape; of the bytes, made for that, if it is too twisted.
 */
static bool walk_along(const Data *data, const Type *type, DataMove *walk, Part *parts) {
  if (data->count == 0 || data->count != type_static_count(type)) return false;
  *walk = walk_of(data);
  if (walk_align(walk, type, parts)) return true;
  data_contents(data);
  *walk = walk_of(data);
  return walk_align(walk, type, parts);
}

Data *data_transpose(Arena *arena, const Data *data, const Type *type, const int *perm) {
  DataMove walk, result;
  Part parts[MOST_AXES];
  if (!walk_along(data, type, &walk, parts)) return NULL;
  result = walk;
  result.rank = 0;
  for (int i = 0; i < type->rank; i++)
    for (int a = parts[perm[i]].begin; a < parts[perm[i]].end; a++)
      if (!add_axis(&result, walk.axes[a])) return NULL;
  return finish(arena, &result, data->count);
}

/* Whether each axis that changes is one of the walk. */
static bool are_single(const Type *type, const Type *to, const Part *parts) {
  for (int i = 0; i < type->rank; i++)
    if (type->dims[i] != to->dims[i] && parts[i].end - parts[i].begin > 1) return false;
  return true;
}

static bool pad_walk(const DataMove *walk, const Part *parts, const Type *type, const Type *to,
                     const int64_t *before, double value, DataMove *result) {
  *result = *walk;
  result->rank = 0;
  if (!are_single(type, to, parts) || (walk->guards && walk->fill != value)) return false;
  result->fill = value;
  for (int i = 0; i < type->rank; i++) {
    if (type->dims[i] == to->dims[i]) {
      for (int a = parts[i].begin; a < parts[i].end; a++)
        if (!add_axis(result, walk->axes[a])) return false;
      continue;
    }
    WalkAxis axis = {.size = 1};
    if (parts[i].end > parts[i].begin) axis = walk->axes[parts[i].begin];
    int g = result->guards++;
    if (g == GUARDS) return false;
    result->limit[g] = axis.size;
    result->first[g] = -before[i];
    result->start -= before[i] * axis.stride;
    for (int other = 0; other < g; other++) result->first[other] -= before[i] * axis.grows[other];
    result->first[SCALE] -= before[i] * axis.grows[SCALE];
    axis.size = dim_value(to->dims[i]);
    axis.grows[g] = 1;
    if (!add_axis(result, axis)) return false;
  }
  return true;
}

Data *data_pad(Arena *arena, const Data *data, const Type *type, const Type *to,
               const int64_t *before, double value) {
  DataMove walk, result;
  Part parts[MOST_AXES];
  for (int i = 0; i < type->rank; i++)
    if (before[i] < 0 || dim_value(to->dims[i]) < before[i] + dim_value(type->dims[i])) return NULL;
  if (!walk_along(data, type, &walk, parts)) return NULL;
  if (!pad_walk(&walk, parts, type, to, before, value, &result)) {
    data_contents(data);
    if (!walk_along(data, type, &walk, parts) ||
        !pad_walk(&walk, parts, type, to, before, value, &result))
      return NULL;
  }
  return finish(arena, &result, type_static_count(to));
}

Data *data_slice(Arena *arena, const Data *data, const Type *type, const Type *to,
                 const int64_t *start, const int64_t *step) {
  DataMove walk, result;
  Part parts[MOST_AXES];
  int64_t count = type_static_count(to);
  if (count == 0 || !walk_along(data, type, &walk, parts)) return NULL;
  result = walk;
  result.rank = 0;
  for (int i = 0; i < type->rank; i++) {
    bool whole = type->dims[i] == to->dims[i] && start[i] == 0 && step[i] == 1;
    if (!whole && parts[i].end - parts[i].begin > 1) return NULL;
    for (int a = parts[i].begin; a < parts[i].end; a++) {
      WalkAxis axis = walk.axes[a];
      if (!whole) {
        result.start += start[i] * axis.stride;
        for (int g = 0; g < INDICES; g++) result.first[g] += start[i] * axis.grows[g];
        axis.size = dim_value(to->dims[i]);
        axis.stride *= step[i];
        for (int g = 0; g < INDICES; g++) axis.grows[g] *= step[i];
      }
      if (!add_axis(&result, axis)) return NULL;
    }
  }
  return finish(arena, &result, count);
}

Data *data_narrow(Arena *arena, const Data *data, const Type *type, Element to, const Data *scales,
                  unsigned axes) {
  DataMove walk, result;
  Part parts[MOST_AXES];
  if (data->element != ELEMENT_f32) return NULL;
  bool is_plain = !data->move || data->bytes ||
                  (data->move->element == data->move->source->element &&
                   (!data->move->guards || data->move->fill == 0));
  if (!is_plain) data_contents(data);
  if (!walk_along(data, type, &walk, parts)) return NULL;
  result = walk;
  result.rank = 0;
  result.element = to;
  result.scales = scales;
  int64_t apart = 1; /* scales, from one place of the axis to the next */
  for (int i = type->rank - 1; i >= 0 && scales; i--) {
    if (!(axes & 1u << i)) continue;
    for (int a = parts[i].end - 1; a >= parts[i].begin; a--) {
      walk.axes[a].grows[SCALE] = apart;
      apart *= walk.axes[a].size;
    }
  }
  for (int a = 0; a < walk.rank; a++)
    if (!add_axis(&result, walk.axes[a])) return NULL;
  return finish(arena, &result, data->count);
}

const Data *move_source(const DataMove *move) {
  return move->source;
}

bool move_equal(const DataMove *a, const DataMove *b) {
  if (a->source->bytes != b->source->bytes || a->source->element != b->source->element ||
      a->element != b->element || a->scales != b->scales || a->first[SCALE] != b->first[SCALE] ||
      a->start != b->start || a->rank != b->rank || a->guards != b->guards ||
      (a->guards && a->fill != b->fill))
    return false;
  for (int g = 0; g < a->guards; g++)
    if (a->first[g] != b->first[g] || a->limit[g] != b->limit[g]) return false;
  for (int i = 0; i < a->rank; i++) {
    const WalkAxis *x = &a->axes[i], *y = &b->axes[i];
    if (x->size != y->size || x->stride != y->stride || x->grows[SCALE] != y->grows[SCALE])
      return false;
    for (int g = 0; g < a->guards; g++)
      if (x->grows[g] != y->grows[g]) return false;
  }
  return true;
}

uint64_t move_digest(const DataMove *move) {
  uint64_t hash = (uint64_t)move->start * 31 + (uint64_t)(int64_t)move->fill;
  if (move->element != move->source->element) hash = hash * 31 + (uint64_t)move->element;
  if (move->scales)
    hash = (hash * 31 + data_digest(move->scales)) * 31 + (uint64_t)move->first[SCALE];
  for (int g = 0; g < move->guards; g++)
    hash = (hash * 31 + (uint64_t)move->first[g]) * 31 + (uint64_t)move->limit[g];
  for (int i = 0; i < move->rank; i++) {
    const WalkAxis *axis = &move->axes[i];
    hash = (hash * 31 + (uint64_t)axis->size) * 31 + (uint64_t)axis->stride;
    if (move->scales) hash = hash * 31 + (uint64_t)axis->grows[SCALE];
    for (int g = 0; g < move->guards; g++) hash = hash * 31 + (uint64_t)axis->grows[g];
  }
  return hash;
}

/* ---- the elements ---- */

/* Copies `count` elements of `size` bytes that lie `stride` bytes apart. */
static void gather(char *to, const char *from, int64_t count, int64_t stride, int size) {
  if (stride == size) {
    memcpy(to, from, (size_t)(count * size));
    return;
  }
  switch (size) {
  case 1:
    for (int64_t i = 0; i < count; i++) to[i] = from[i * stride];
    break;
  case 2:
    for (int64_t i = 0; i < count; i++) memcpy(to + 2 * i, from + i * stride, 2);
    break;
  case 4:
    for (int64_t i = 0; i < count; i++) memcpy(to + 4 * i, from + i * stride, 4);
    break;
  default:
    for (int64_t i = 0; i < count; i++) memcpy(to + 8 * i, from + i * stride, 8);
  }
}

/* The part of a run that is in the source, from `at` on; `scale` is the index of its first. */
static void make(const DataMove *move, char *to, int64_t at, int64_t count, const WalkAxis *axis,
                 int64_t scale) {
  int from_size = element_infos[move->source->element].bytes;
  const char *from = (const char *)move->source->bytes + at * from_size;
  int64_t stride = axis->stride * from_size;
  if (move->element == move->source->element)
    gather(to, from, count, stride, from_size);
  else
    narrow_run(move->element, to, from, count, stride,
               move->scales ? (const float *)move->scales->bytes + scale : NULL,
               axis->grows[SCALE]);
}

static void fill(char *to, int64_t count, const void *element, int size) {
  for (int64_t i = 0; i < count; i++) memcpy(to + i * size, element, (size_t)size);
}

static int64_t divide_up(int64_t a, int64_t b) { /* b > 0 */
  return a > 0 ? (a - 1) / b + 1 : -(-a / b);
}

/* Narrows [from, to), a part of a run, to where a guard's index is in [0, limit). */
static void narrow(int64_t index, int64_t grows, int64_t limit, int64_t *from, int64_t *to) {
  int64_t low, high;
  if (grows == 0) {
    if (index < 0 || index >= limit) *to = *from;
    return;
  }
  if (grows > 0)
    low = divide_up(-index, grows), high = divide_up(limit - index, grows);
  else
    low = divide_up(index - limit + 1, -grows), high = divide_up(index + 1, -grows);
  if (low > *from) *from = low;
  if (high < *to) *to = high;
  if (*to < *from) *to = *from;
}

void move_read(const DataMove *move, int64_t from, int64_t count, void *result) {
  int size = element_infos[move->element].bytes, inner = move->rank - 1;
  char *to = result, *end = to + count * size;
  int64_t index[WALK_AXES] = {0}, guard[INDICES] = {0}, at = move->start, empty = 0;
  element_store(move->element, &empty, 0, move->fill);
  for (int g = 0; g < INDICES; g++) guard[g] = move->first[g];
  for (int i = inner; i >= 0; i--) {
    const WalkAxis *axis = &move->axes[i];
    index[i] = from % axis->size;
    from /= axis->size;
    at += index[i] * axis->stride;
    for (int g = 0; g < INDICES; g++) guard[g] += index[i] * axis->grows[g];
  }
  static const WalkAxis one = {.size = 1};
  const WalkAxis *last = inner < 0 ? &one : &move->axes[inner];
  int64_t run = last->size - index[inner < 0 ? 0 : inner];
  while (to < end) {
    if (run > (end - to) / size) run = (end - to) / size;
    int64_t begin = 0, stop = run;
    for (int g = 0; g < move->guards; g++)
      narrow(guard[g], last->grows[g], move->limit[g], &begin, &stop);
    if (begin > 0) fill(to, begin, &empty, size);
    if (stop > begin)
      make(move, to + begin * size, at + begin * last->stride, stop - begin, last,
           guard[SCALE] + begin * last->grows[SCALE]);
    if (stop < run) fill(to + stop * size, run - stop, &empty, size);
    to += run * size;
    if (inner < 0) break;
    int64_t back = index[inner];
    index[inner] = 0;
    at -= back * last->stride;
    for (int g = 0; g < INDICES; g++) guard[g] -= back * last->grows[g];
    for (int i = inner - 1; i >= 0; i--) {
      const WalkAxis *axis = &move->axes[i];
      at += axis->stride;
      for (int g = 0; g < INDICES; g++) guard[g] += axis->grows[g];
      if (++index[i] < axis->size) break;
      at -= axis->size * axis->stride;
      for (int g = 0; g < INDICES; g++) guard[g] -= axis->size * axis->grows[g];
      index[i] = 0;
    }
    run = last->size;
  }
}
