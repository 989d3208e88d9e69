/* ir/move: sequences of moves, read whole and in parts, against arrays moved step by step; of
 * numbers rounded to smaller types, too. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/move.h"
#include "ir/narrow.h"

static Arena *arena;
static DimTable *dims;

static int set_up(void **state) {
  (void)state;
  arena = arena_new();
  dims = dim_table_new(arena);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

static Type type_of(int rank, const int64_t *shape) {
  Type type = {.element = ELEMENT_i32, .rank = rank};
  for (int i = 0; i < rank; i++) type.dims[i] = dim_constant(dims, shape[i]);
  return type;
}

static uint64_t seed;

static int random_below(int count) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int)((seed >> 33) % (uint64_t)count);
}

/* A tensor as it is, and as data that were moved. */
typedef struct {
  Type type;
  int32_t *values;
  const Data *data;
} Both;

/* The element at an index of the moved tensor is that at `place` of the old one; -1: the fill. */
typedef int64_t Place(const Both *from, const int64_t *index, const void *how);

static int32_t *move_plainly(const Both *from, const Type *to, Place *place, const void *how,
                             int32_t fill) {
  int64_t count = type_static_count(to), index[MOST_AXES] = {0};
  int32_t *values = ARENA_ARRAY(arena, (size_t)count + 1, int32_t);
  for (int64_t at = 0; at < count; at++) {
    int64_t found = place(from, index, how);
    values[at] = found < 0 ? fill : from->values[found];
    for (int i = to->rank - 1; i >= 0 && ++index[i] == dim_value(to->dims[i]); i--) index[i] = 0;
  }
  return values;
}

static int64_t place_at(const Type *type, const int64_t *index) {
  int64_t place = 0;
  for (int i = 0; i < type->rank; i++) {
    if (index[i] < 0 || index[i] >= dim_value(type->dims[i])) return -1;
    place = place * dim_value(type->dims[i]) + index[i];
  }
  return place;
}

static int64_t place_transposed(const Both *from, const int64_t *index, const void *how) {
  const int *perm = how;
  int64_t old[MOST_AXES];
  for (int i = 0; i < from->type.rank; i++) old[perm[i]] = index[i];
  return place_at(&from->type, old);
}

typedef struct {
  int64_t start[MOST_AXES], step[MOST_AXES];
} Affine;

static int64_t place_affine(const Both *from, const int64_t *index, const void *how) {
  const Affine *affine = how;
  int64_t old[MOST_AXES];
  for (int i = 0; i < from->type.rank; i++) old[i] = affine->start[i] + index[i] * affine->step[i];
  return place_at(&from->type, old);
}

static void transpose(Both *both) {
  int rank = both->type.rank, perm[MOST_AXES];
  for (int i = 0; i < rank; i++) perm[i] = i;
  for (int i = rank - 1; i > 0; i--) {
    int other = random_below(i + 1), axis = perm[i];
    perm[i] = perm[other], perm[other] = axis;
  }
  Type to = both->type;
  for (int i = 0; i < rank; i++) to.dims[i] = both->type.dims[perm[i]];
  both->values = move_plainly(both, &to, place_transposed, perm, 0);
  both->data = data_transpose(arena, both->data, &both->type, perm);
  both->type = to;
}

static void pad(Both *both) {
  Affine affine;
  int64_t shape[MOST_AXES], before[MOST_AXES];
  for (int i = 0; i < both->type.rank; i++) {
    before[i] = random_below(2) ? 0 : random_below(3);
    shape[i] = dim_value(both->type.dims[i]) + before[i] + (random_below(2) ? 0 : random_below(4));
    affine.start[i] = -before[i], affine.step[i] = 1;
  }
  Type to = type_of(both->type.rank, shape);
  int value = random_below(3) ? 0 : 7;
  const Data *data = data_pad(arena, both->data, &both->type, &to, before, value);
  if (!data) return; /* more axes at a time than it takes */
  both->values = move_plainly(both, &to, place_affine, &affine, value);
  both->data = data;
  both->type = to;
}

/* Some elements of some axes, forwards or back. NULL is an answer, too. */
static void slice(Both *both) {
  Affine affine;
  int64_t shape[MOST_AXES];
  for (int i = 0; i < both->type.rank; i++) {
    int64_t size = dim_value(both->type.dims[i]);
    bool back = random_below(2);
    affine.start[i] = back ? size - 1 : 0, affine.step[i] = back ? -1 : 1;
    shape[i] = size;
    if (size < 4 || random_below(3)) continue;
    affine.start[i] += affine.step[i];
    shape[i] = size - 2;
  }
  Type to = type_of(both->type.rank, shape);
  const Data *data = data_slice(arena, both->data, &both->type, &to, affine.start, affine.step);
  if (!data) return;
  both->values = move_plainly(both, &to, place_affine, &affine, 0);
  both->data = data;
  both->type = to;
}

/* Another shape of as many elements. */
static void reshape(Both *both) {
  int64_t count = type_static_count(&both->type), shape[MOST_AXES];
  int rank = 2 + random_below(4);
  for (int i = 0; i < rank; i++) shape[i] = 1;
  for (int64_t factor = 2; count > 1; factor++)
    for (; count % factor == 0; count /= factor) shape[random_below(rank)] *= factor;
  both->type = type_of(rank, shape);
}

static void assert_same(const Both *both) {
  int64_t count = type_static_count(&both->type);
  assert_non_null(both->data);
  assert_int_equal(both->data->count, count);
  int size = element_infos[both->data->element].bytes;
  char *read = arena_alloc(arena, (size_t)(count * size) + 1);
  for (int64_t at = 0, part; at < count; at += part) {
    part = 1 + random_below(5000);
    if (part > count - at) part = count - at;
    data_read(both->data, at, part, read + at * size);
  }
  for (int64_t i = 0; i < count; i++)
    if (element_load_integer(both->data->element, read, i) != both->values[i])
      fail_msg("element %lld", (long long)i);
}

static void move_at_random(Both *both, int steps) {
  for (int step = 0; step < steps; step++) {
    void (*const moves[])(Both *) = {transpose, reshape, pad, slice, transpose};
    moves[random_below(5)](both);
    assert_same(both);
  }
}

static void sequences(void **state) {
  (void)state;
  int late = 0;
  for (seed = 1; seed < 200; seed++) {
    uint64_t first = seed;
    Both both = {.type = type_of(4, (int64_t[]){8, 12, 15, 14})};
    int64_t count = type_static_count(&both.type);
    both.values = ARENA_ARRAY(arena, (size_t)count, int32_t);
    for (int64_t i = 0; i < count; i++) both.values[i] = (int32_t)i + 100;
    both.data = data_new(arena, ELEMENT_i32, count, both.values);
    move_at_random(&both, 6);
    late += both.data->bytes == NULL;
    const void *whole = data_contents(both.data);
    assert_memory_equal(whole, both.values, (size_t)type_static_count(&both.type) * 4);
    seed = first;
  }
  assert_true(late > 50); /* most were not made before they were asked for */
}

/* What packs a weight: rows padded, cut into panels, their rows innermost. */
static void a_pack_is_one_walk(void **state) {
  (void)state;
  int32_t *values = ARENA_ARRAY(arena, 100 * 512, int32_t);
  for (int i = 0; i < 100 * 512; i++) values[i] = i;
  const Data *data = data_new(arena, ELEMENT_i32, 100 * 512, values), *packed[2];
  Type rows = type_of(2, (int64_t[]){100, 512}), padded = type_of(2, (int64_t[]){128, 512});
  Type panels = type_of(3, (int64_t[]){4, 32, 512});
  for (int i = 0; i < 2; i++) {
    const Data *more = data_pad(arena, data, &rows, &padded, (int64_t[]){0, 0}, 0);
    packed[i] = data_transpose(arena, more, &panels, (int[]){0, 2, 1});
    assert_null(more->bytes);
    assert_null(packed[i]->bytes);
  }
  assert_true(data_equal(packed[0], packed[1]));
  assert_true(data_digest(packed[0]) == data_digest(packed[1]));
  assert_null(packed[0]->bytes); /* equal by how they are made */
  int32_t panel[2 * 32];
  data_read(packed[0], (3 * 512 + 7) * 32, 64, panel);
  for (int i = 0; i < 64; i++)
    assert_int_equal(panel[i], i % 32 < 4 ? (96 + i % 32) * 512 + 7 + i / 32 : 0);
}

/* The channel of an element among the axes whose bits are set, row-major. */
static int64_t channel_of(const Type *type, unsigned axes, int64_t element) {
  int64_t channel = 0, apart = 1;
  for (int i = type->rank - 1; i >= 0; i--) {
    int64_t size = dim_value(type->dims[i]);
    if (axes & 1u << i) channel += element % size * apart, apart *= size;
    element /= size;
  }
  return channel;
}

/* Moved, then rounded to i8 with a scale for each channel, then moved again. */
static void narrowed(void **state) {
  (void)state;
  int late = 0;
  for (seed = 1; seed < 100; seed++) {
    uint64_t first = seed;
    Both both = {.type = type_of(4, (int64_t[]){16, 24, 15, 14})};
    int64_t count = type_static_count(&both.type);
    float *numbers = ARENA_ARRAY(arena, (size_t)count, float), *moved;
    for (int64_t i = 0; i < count; i++)
      numbers[i] = ldexpf((float)(random_below(20001) - 10000), random_below(3) - 10);
    const Data *data = data_new(arena, ELEMENT_f32, count, numbers);
    int perm[] = {2, 0, 3, 1};
    data = data_transpose(arena, data, &both.type, perm);
    Type turned = both.type;
    for (int i = 0; i < 4; i++) turned.dims[i] = both.type.dims[perm[i]];
    both.type = turned;
    moved = ARENA_ARRAY(arena, (size_t)count, float);
    data_read(data, 0, count, moved);
    unsigned axes = (unsigned)random_below(16);
    const Data *scales = narrow_scales(arena, data, &both.type, axes);
    assert_non_null(scales);
    both.values = ARENA_ARRAY(arena, (size_t)count, int32_t);
    float *most = ARENA_ARRAY(arena, (size_t)scales->count, float);
    for (int64_t i = 0; i < count; i++) {
      float *m = &most[channel_of(&both.type, axes, i)];
      if (fabsf(moved[i]) > *m) *m = fabsf(moved[i]);
    }
    for (int64_t i = 0; i < count; i++) {
      int64_t channel = channel_of(&both.type, axes, i);
      float scale = fmaxf(most[channel] / 127, FLT_MIN); /* of zeros */
      assert_true(scale == (float)data_get(scales, channel));
      both.values[i] = (int32_t)nearbyint((double)moved[i] / (double)scale);
      assert_in_range(both.values[i] + 127, 0, 254);
    }
    both.data = data_narrow(arena, data, &both.type, ELEMENT_i8, scales, axes);
    assert_same(&both);
    move_at_random(&both, 5);
    late += both.data->bytes == NULL;
    seed = first;
  }
  assert_true(late > 25);
}

/* Of all bits but a few of the last ones: as element_store does it, by arithmetic. */
static void to_bf16(void **state) {
  (void)state;
  for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 4099) {
    uint32_t word = (uint32_t)bits;
    float value;
    uint16_t got, want;
    memcpy(&value, &word, sizeof value);
    narrow_run(ELEMENT_bf16, (char *)&got, (const char *)&value, 1, 4, NULL, 0);
    element_store(ELEMENT_bf16, &want, 0, (double)value);
    if (isnan(value))
      assert_true((got & 0x7f80) == 0x7f80 && (got & 0x7f));
    else
      assert_int_equal(got, want);
  }
}

static void no_scale_of_what_is_not_finite(void **state) {
  (void)state;
  Type type = type_of(2, (int64_t[]){2, 2});
  float zeros[] = {0, 0, 1, -2}, wrong[] = {0, 0, NAN, 1}, high[] = {-INFINITY, 0, 0, 0};
  const Data *scales = narrow_scales(arena, data_new(arena, ELEMENT_f32, 4, zeros), &type, 1);
  assert_true(data_get(scales, 0) > 0); /* of zeros: any */
  assert_true((float)data_get(scales, 1) == 2.0f / 127);
  assert_null(narrow_scales(arena, data_new(arena, ELEMENT_f32, 4, wrong), &type, 1));
  assert_null(narrow_scales(arena, data_new(arena, ELEMENT_f32, 4, high), &type, 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(narrowed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(to_bf16, set_up, tear_down),
      cmocka_unit_test_setup_teardown(no_scale_of_what_is_not_finite, set_up, tear_down),
      cmocka_unit_test_setup_teardown(sequences, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_pack_is_one_walk, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
