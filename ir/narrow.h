/* narrow.h - f32 numbers in smaller types: runs of them rounded, and the scales of integers.
 *
 * bf16 and f16 are rounded to nearest even. i8 holds q = round(x / scale), to even, in -127..127;
 * the scale of a channel is its greatest magnitude / 127, so x is scale * q to half a scale.
 */
#ifndef IR_NARROW_H
#define IR_NARROW_H

#include "ir/data.h"

/* `count` numbers that lie `stride` bytes apart, to dense ones. `scale` is the first one's, the
 * next one's `apart` further on; NULL: none. */
void narrow_run(Element to, char *result, const char *from, int64_t count, int64_t stride,
                const float *scale, int64_t apart);

/* The scales of f32 data, one for each place of the axes whose bits are set, row-major; NULL if a
 * number is not finite. */
Data *narrow_scales(Arena *arena, const Data *data, const Type *type, unsigned axes);

#endif
