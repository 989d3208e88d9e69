/* vec.h - growing arrays in an arena.
 *
 *   VEC(int) numbers = {0};
 *   vec_push(arena, &numbers, 7);
 *   for (size_t i = 0; i < numbers.count; i++) use(numbers.items[i]);
 */
#ifndef SUPPORT_VEC_H
#define SUPPORT_VEC_H

#include "support/arena.h"

#define VEC(type)                                                                                  \
  struct {                                                                                         \
    type *items;                                                                                   \
    size_t count, room;                                                                            \
  }

#define vec_push(arena, vec, item)                                                                 \
  do {                                                                                             \
    if ((vec)->count == (vec)->room) {                                                             \
      (vec)->room = (vec)->room ? (vec)->room * 2 : 8;                                             \
      (vec)->items =                                                                               \
          arena_grow((arena), (vec)->items, (vec)->count, (vec)->room, sizeof *(vec)->items);      \
    }                                                                                              \
    (vec)->items[(vec)->count++] = (item);                                                         \
  } while (0)

#define vec_last(vec) ((vec)->items[(vec)->count - 1])

#endif
