/* loop_join.h - indices of several axes that are parts of one number.
 *
 * A kernel that walks through rows of [N, H, W, C] by one number splits it for those who want
 * indices: n = q / W / H, h = q / W % H, w = q % W. Where they only lead to an address again, that
 * is q * C, and the divisions need not be done.
 */
#ifndef BACKEND_LOOP_JOIN_H
#define BACKEND_LOOP_JOIN_H

#include "backend/loop.h"

/* If the indices of axes *first..last are the quotient and remainders of one number, and the axes
 * lie so in memory that the number by the last one's stride is the place: the number, which may be
 * computed where the access is. Else NULL. */
const LoopExpr *loop_joined_index(const LoopAccess *access, int last, int *first);

#endif
