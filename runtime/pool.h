/* pool.h - threads that split a step's trips among them.
 *
 * Fork and join must cost less than the smallest step worth splitting, so a thread spins for its
 * next job during a call and a while after (DLRT_SPIN_NANOSECONDS), and only then sleeps. A job's
 * trips are cut into `parts` contiguous ranges, and each of those into a few pieces. A thread takes
 * the pieces of its own range (the same rows as in the step before, which its cache still has) and
 * then what is left of the others': a thread that the system has put aside holds up no more than
 * the piece it is at. The caller's thread is part 0 and takes pieces like all.
 *
 * Who takes a piece moves `left` of its range from (ticket, n pieces) to (ticket, n - 1). That
 * succeeds only while the job with that ticket has pieces left, and so proves that the job's
 * fields, read just before, are of that job: the caller writes new ones when all pieces are done.
 */
#ifndef DLRT_POOL_H
#define DLRT_POOL_H

#include "runtime/model.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

enum { DLRT_SPIN_NANOSECONDS = 100000, DLRT_THREADS = 1024 };

typedef struct dlrt_pool_state dlrt_pool_state;

/* What one thread has, in cache lines of its own. */
typedef struct {
  alignas(64) dlrt_worker worker;
  alignas(64) atomic_uint_fast64_t left; /* of its range: the job's count, and pieces */
  pthread_t thread;
  dlrt_pool_state *pool;
} dlrt_slot;

struct dlrt_pool_state {
  alignas(64) atomic_uint_fast64_t ticket;    /* counts jobs, in the high bits; low: parts */
  alignas(64) atomic_uint_fast64_t remaining; /* pieces that are not done */
  alignas(64) dlrt_kernel *_Atomic kernel;
  void *const *_Atomic operands;
  const int64_t *_Atomic dims;
  _Atomic int64_t trips, pieces;    /* of each range */
  alignas(64) atomic_uint sleeping; /* threads on `wake` */
  atomic_uint waiting;              /* the caller is on `done` */
  atomic_uint calling;              /* a call is being made: spin on */
  atomic_uint quit;
  pthread_mutex_t mutex;
  pthread_cond_t wake, done;
  int threads; /* with the caller's */
  dlrt_slot *slots;
};

/* Starts threads for slots 1 .. threads-1 (their `worker` is set already); returns how many threads
 * there are with the caller's, fewer if the system refuses, 0 if it lacks even a lock. */
int dlrt_pool_start(dlrt_pool_state *pool, dlrt_slot *slots, int threads);
void dlrt_pool_stop(dlrt_pool_state *pool);
void dlrt_pool_calling(dlrt_pool_state *pool, int calling);
/* 2 <= parts <= threads; pieces have several times `grain` trips, unless a part has fewer; 0: one
 * is enough. Returns when all trips are done. */
void dlrt_pool_run(dlrt_pool_state *pool, int parts, dlrt_kernel *kernel, void *const *operands,
                   const int64_t *dims, int64_t trips, int64_t grain);

/* The same functions, so that what is not for threads does not link them (dlrt_model.threading). */
struct dlrt_threading {
  int (*start)(dlrt_pool_state *, dlrt_slot *, int);
  void (*stop)(dlrt_pool_state *);
  void (*calling)(dlrt_pool_state *, int);
  void (*run)(dlrt_pool_state *, int, dlrt_kernel *, void *const *, const int64_t *, int64_t,
              int64_t);
};

#endif
