#include "runtime/pool.h"

#include <sched.h>
#include <signal.h>
#include <time.h>

/* A ticket is a count of jobs and the parts of this one; `left` is that count and the pieces of a
 * range that nobody has taken, at most MOST_PIECES. To take one costs as much as a good part of a
 * grain's work, so a piece has GRAINS of them. */
enum { PARTS_BITS = 11, PIECE_BITS = 4, PIECE_MASK = 15, MOST_PIECES = 4, GRAINS = 4 };

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Where piece number `piece` of all begins, without overflow. */
static int64_t piece_begin(int64_t trips, int64_t pieces, int64_t piece) {
  return trips / pieces * piece + trips % pieces * piece / pieces;
}

static void piece_done(dlrt_pool_state *pool) {
  if (atomic_fetch_sub(&pool->remaining, 1) != 1 || !atomic_load(&pool->waiting)) return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_signal(&pool->done);
  pthread_mutex_unlock(&pool->mutex);
}

/* Takes pieces of the range of `part`, for the thread of `worker`, until there are none. */
static void run_range(dlrt_pool_state *pool, uint_fast64_t ticket, int parts, int part,
                      dlrt_worker *worker) {
  atomic_uint_fast64_t *left = &pool->slots[part].left;
  uint_fast64_t at = atomic_load_explicit(left, memory_order_acquire);
  while (at >> PIECE_BITS == ticket && at & PIECE_MASK) {
    dlrt_kernel *kernel = atomic_load_explicit(&pool->kernel, memory_order_relaxed);
    void *const *operands = atomic_load_explicit(&pool->operands, memory_order_relaxed);
    const int64_t *dims = atomic_load_explicit(&pool->dims, memory_order_relaxed);
    int64_t trips = atomic_load_explicit(&pool->trips, memory_order_relaxed);
    int64_t pieces = atomic_load_explicit(&pool->pieces, memory_order_relaxed);
    if (!atomic_compare_exchange_weak_explicit(left, &at, at - 1, memory_order_acq_rel,
                                               memory_order_acquire))
      continue;
    int64_t piece = part * pieces + pieces - (int64_t)(at & PIECE_MASK);
    int64_t begin = piece_begin(trips, parts * pieces, piece);
    int64_t end = piece_begin(trips, parts * pieces, piece + 1);
    if (begin < end) kernel(operands, dims, begin, end, worker);
    piece_done(pool);
    at = atomic_load_explicit(left, memory_order_acquire);
  }
}

static void run_job(dlrt_pool_state *pool, uint_fast64_t ticket, int parts, int part) {
  for (int i = 0; i < parts; i++)
    run_range(pool, ticket >> PARTS_BITS, parts, (part + i) % parts, &pool->slots[part].worker);
}

/* The next ticket after `seen`, or `seen` itself if it is time to quit. */
static uint_fast64_t next_ticket(dlrt_pool_state *pool, uint_fast64_t seen) {
  int64_t idle_since = 0;
  for (unsigned spins = 1;; spins++) {
    uint_fast64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    if (ticket != seen) return ticket;
    if (spins % 64) {
      relax();
      continue;
    }
    if (atomic_load_explicit(&pool->quit, memory_order_relaxed)) return seen;
    int64_t time = now();
    if (!idle_since) idle_since = time;
    /* In a call the next job is near, unless a step runs long on the caller's thread alone. */
    int64_t patience = atomic_load_explicit(&pool->calling, memory_order_relaxed)
                           ? 20 * (int64_t)DLRT_SPIN_NANOSECONDS
                           : DLRT_SPIN_NANOSECONDS;
    if (time - idle_since > patience) break;
  }
  pthread_mutex_lock(&pool->mutex);
  /* Sequential consistency, here and in dlrt_pool_run: either this thread sees the new ticket or
   * the caller sees that it sleeps. */
  atomic_fetch_add(&pool->sleeping, 1);
  uint_fast64_t ticket;
  while ((ticket = atomic_load(&pool->ticket)) == seen && !atomic_load(&pool->quit))
    pthread_cond_wait(&pool->wake, &pool->mutex);
  atomic_fetch_sub(&pool->sleeping, 1);
  pthread_mutex_unlock(&pool->mutex);
  return ticket;
}

static void *work(void *argument) {
  dlrt_slot *slot = argument;
  dlrt_pool_state *pool = slot->pool;
  int part = (int)slot->worker.thread;
  for (uint_fast64_t seen = 0;;) {
    uint_fast64_t ticket = next_ticket(pool, seen);
    if (ticket == seen) return NULL;
    seen = ticket;
    int parts = (int)(ticket & ((1 << PARTS_BITS) - 1));
    if (part < parts) run_job(pool, ticket, parts, part);
  }
}

void dlrt_pool_run(dlrt_pool_state *pool, int parts, dlrt_kernel *kernel, void *const *operands,
                   const int64_t *dims, int64_t trips, int64_t grain) {
  int64_t pieces = grain > 0 ? trips / parts / grain / GRAINS : trips / parts;
  pieces = pieces < 1 ? 1 : pieces > MOST_PIECES ? MOST_PIECES : pieces;
  atomic_store_explicit(&pool->kernel, kernel, memory_order_relaxed);
  atomic_store_explicit(&pool->operands, operands, memory_order_relaxed);
  atomic_store_explicit(&pool->dims, dims, memory_order_relaxed);
  atomic_store_explicit(&pool->trips, trips, memory_order_relaxed);
  atomic_store_explicit(&pool->pieces, pieces, memory_order_relaxed);
  atomic_store_explicit(&pool->remaining, (uint_fast64_t)(parts * pieces), memory_order_relaxed);
  uint_fast64_t last = atomic_load_explicit(&pool->ticket, memory_order_relaxed);
  uint_fast64_t count = (last >> PARTS_BITS) + 1;
  for (int i = 0; i < parts; i++)
    atomic_store_explicit(&pool->slots[i].left, count << PIECE_BITS | (uint_fast64_t)pieces,
                          memory_order_release);
  uint_fast64_t ticket = count << PARTS_BITS | (uint_fast64_t)parts;
  atomic_store(&pool->ticket, ticket);
  if (atomic_load(&pool->sleeping)) {
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
  }
  run_job(pool, ticket, parts, 0);
  int64_t since = 0;
  for (unsigned spins = 1; atomic_load_explicit(&pool->remaining, memory_order_acquire); spins++) {
    relax();
    if (spins % 64) continue;
    int64_t time = now();
    if (!since) since = time;
    if (time - since <= DLRT_SPIN_NANOSECONDS) {
      /* A thread that is this late may be waiting for this very processor. */
      if (time - since > DLRT_SPIN_NANOSECONDS / 8) sched_yield();
      continue;
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->waiting, 1);
    while (atomic_load(&pool->remaining)) pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->waiting, 0);
    pthread_mutex_unlock(&pool->mutex);
  }
}

void dlrt_pool_calling(dlrt_pool_state *pool, int calling) {
  atomic_store_explicit(&pool->calling, (unsigned)calling, memory_order_relaxed);
}

int dlrt_pool_start(dlrt_pool_state *pool, dlrt_slot *slots, int threads) {
  pool->slots = slots;
  pool->threads = 1;
  atomic_init(&slots[0].left, 0);
  atomic_init(&pool->ticket, 0);
  atomic_init(&pool->remaining, 0);
  atomic_init(&pool->sleeping, 0);
  atomic_init(&pool->waiting, 0);
  atomic_init(&pool->calling, 0);
  atomic_init(&pool->quit, 0);
  if (pthread_mutex_init(&pool->mutex, NULL)) return 0;
  if (pthread_cond_init(&pool->wake, NULL)) {
    pthread_mutex_destroy(&pool->mutex);
    return 0;
  }
  if (pthread_cond_init(&pool->done, NULL)) {
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    return 0;
  }
  /* The host's signals are for the host's threads. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (; pool->threads < threads && pool->threads < DLRT_THREADS; pool->threads++) {
    dlrt_slot *slot = &slots[pool->threads];
    slot->pool = pool;
    atomic_init(&slot->left, 0);
    if (pthread_create(&slot->thread, NULL, work, slot)) break;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pool->threads;
}

void dlrt_pool_stop(dlrt_pool_state *pool) {
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->quit, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
  for (int i = 1; i < pool->threads; i++) pthread_join(pool->slots[i].thread, NULL);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
}

const dlrt_threading dlrt_pool = {dlrt_pool_start, dlrt_pool_stop, dlrt_pool_calling,
                                  dlrt_pool_run};
