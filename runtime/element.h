/* element.h - names, sizes and conversions of element types. */
#ifndef DLRT_ELEMENT_H
#define DLRT_ELEMENT_H

#include "runtime/model.h"

#include <stdbool.h>

const char *dlrt_element_name(int64_t element); /* "f32" */
size_t dlrt_element_size(int64_t element);
bool dlrt_element_is_float(int64_t element);
/* The element with that name (`length` characters), or DLRT_ELEMENTS. */
dlrt_element dlrt_element_named(const char *name, size_t length);

/* `size` times all lengths, or SIZE_MAX if that is more than memory could hold or a length is
 * negative. */
size_t dlrt_bytes(size_t size, int64_t rank, const int64_t *shape);

/* "f32[2,3]" */
void dlrt_shape_text(char *to, size_t size, int64_t element, int64_t rank, const int64_t *shape);

/* Round to nearest even; NaN stays NaN. */
float dlrt_from_f16(uint16_t bits);
uint16_t dlrt_to_f16(float value);
float dlrt_from_bf16(uint16_t bits);
uint16_t dlrt_to_bf16(float value);

/* One element, at any address. i64 beyond 2^53 loses low bits in a double. */
double dlrt_element_get(int64_t element, const void *from);
int64_t dlrt_element_get_integer(int64_t element, const void *from);
void dlrt_element_set(int64_t element, void *to, double value);

/* A number as someone typed it. One that the element cannot hold (1.5 or 300 for an i8) is not
 * changed into another: it is BEYOND, and nothing is written. */
typedef enum { DLRT_TYPED_NUMBER, DLRT_TYPED_BEYOND, DLRT_TYPED_OTHER } dlrt_typed;
dlrt_typed dlrt_element_read(int64_t element, void *to, const char *text);

/* Converts `count` dense elements as value * scale, at any alignment; between equal types with a
 * scale of 1 it is a copy. Floats become integers by truncation, saturated, NaN as 0; integers too
 * wide for their new type are counted and the count is returned (0: every value fitted). */
size_t dlrt_convert(int64_t from_element, const void *from, int64_t to_element, void *to,
                    size_t count, double scale);

#endif
