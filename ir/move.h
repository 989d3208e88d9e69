/* move.h - data that are another's, moved: transposed, padded, sliced, in any sequence.
 *
 * Weights are many and are reordered several times before their kernels like them, and may be
 * stored in a smaller type. Such moves are composed to one walk over the first data, which is made
 * when the result is written (data_read), piece by piece, or when somebody asks for it whole
 * (data_contents). Small ones are made at once. `type` is the shape of what is moved; each gives
 * NULL where there is no such walk.
 */
#ifndef IR_MOVE_H
#define IR_MOVE_H

#include "ir/data.h"

Data *data_transpose(Arena *arena, const Data *data, const Type *type, const int *perm);
/* Before and behind each axis, to the shape `to`. */
Data *data_pad(Arena *arena, const Data *data, const Type *type, const Type *to,
               const int64_t *before, double value);
/* Elements start, start + step, .. of each axis, to the shape `to`. */
Data *data_slice(Arena *arena, const Data *data, const Type *type, const Type *to,
                 const int64_t *start, const int64_t *step);
/* f32 rounded to nearest even in a smaller type. With `scales` (f32, as many as the axes whose bits
 * are set have places, row-major) each number is divided by that of its place first; i8 then stays
 * within -127..127. */
Data *data_narrow(Arena *arena, const Data *data, const Type *type, Element to, const Data *scales,
                  unsigned axes);

/* ---- for data.c ---- */
struct DataMove;
void move_read(const struct DataMove *move, int64_t from, int64_t count, void *to);
const Data *move_source(const struct DataMove *move);
uint64_t move_digest(const struct DataMove *move);
/* The same elements, since they are moved alike; false says nothing. */
bool move_equal(const struct DataMove *a, const struct DataMove *b);

#endif
