/* The minimum cut of recompute.h. */
#include "passes/recompute.h"

#include "support/vec.h"

#include <string.h>

typedef struct {
  int to, next; /* next: of the same node's edges; edge e ^ 1 is its reverse */
  int64_t room;
} Edge;

struct Cut {
  Arena *arena;
  VEC(Edge) edges;
  VEC(int) first; /* edge of each node; -1 */
  int *level, *at, *queue, *path;
  bool *sink_side;
};

Cut *cut_new(Arena *arena) {
  Cut *cut = ARENA_NEW(arena, Cut);
  cut->arena = arena;
  vec_push(arena, &cut->first, -1);
  vec_push(arena, &cut->first, -1);
  return cut;
}

int cut_node(Cut *cut) {
  vec_push(cut->arena, &cut->first, -1);
  return (int)cut->first.count - 1;
}

static void add_edge(Cut *cut, int from, int to, int64_t room) {
  vec_push(cut->arena, &cut->edges, ((Edge){to, cut->first.items[from], room}));
  cut->first.items[from] = (int)cut->edges.count - 1;
}

void cut_edge(Cut *cut, int from, int to, int64_t cost) {
  add_edge(cut, from, to, cost < CUT_NEVER ? cost : CUT_NEVER);
  add_edge(cut, to, from, 0);
}

/* Distances from the source over edges with room; false if the sink is not reached. */
static bool find_levels(Cut *cut) {
  int head = 0, tail = 0;
  memset(cut->level, -1, cut->first.count * sizeof *cut->level);
  cut->level[CUT_SOURCE] = 0;
  cut->queue[tail++] = CUT_SOURCE;
  while (head < tail) {
    int node = cut->queue[head++];
    for (int e = cut->first.items[node]; e >= 0; e = cut->edges.items[e].next) {
      const Edge *edge = &cut->edges.items[e];
      if (edge->room == 0 || cut->level[edge->to] >= 0) continue;
      cut->level[edge->to] = cut->level[node] + 1;
      cut->queue[tail++] = edge->to;
    }
  }
  return cut->level[CUT_SINK] >= 0;
}

/* Fills every shortest way from the source to the sink. */
static void fill_level(Cut *cut) {
  Edge *edges = cut->edges.items;
  int depth = 0, node = CUT_SOURCE;
  memcpy(cut->at, cut->first.items, cut->first.count * sizeof *cut->at);
  for (;;) {
    if (node == CUT_SINK) {
      int64_t room = CUT_NEVER;
      int narrow = 0;
      for (int i = depth - 1; i >= 0; i--)
        if (edges[cut->path[i]].room <= room) room = edges[cut->path[i]].room, narrow = i;
      for (int i = 0; i < depth; i++) {
        edges[cut->path[i]].room -= room;
        edges[cut->path[i] ^ 1].room += room;
      }
      depth = narrow;
      node = edges[cut->path[narrow] ^ 1].to;
      continue;
    }
    int e = cut->at[node];
    while (e >= 0 && (edges[e].room == 0 || cut->level[edges[e].to] != cut->level[node] + 1))
      e = edges[e].next;
    cut->at[node] = e;
    if (e >= 0) {
      cut->path[depth++] = e;
      node = edges[e].to;
      continue;
    }
    if (depth == 0) return;
    cut->level[node] = -1; /* leads nowhere */
    node = edges[cut->path[--depth] ^ 1].to;
  }
}

void cut_solve(Cut *cut) {
  size_t count = cut->first.count;
  cut->level = ARENA_ARRAY(cut->arena, count, int);
  cut->at = ARENA_ARRAY(cut->arena, count, int);
  cut->queue = ARENA_ARRAY(cut->arena, count, int);
  cut->path = ARENA_ARRAY(cut->arena, count, int);
  cut->sink_side = ARENA_ARRAY(cut->arena, count, bool);
  while (find_levels(cut)) fill_level(cut);
  int head = 0, tail = 0;
  cut->sink_side[CUT_SINK] = true;
  cut->queue[tail++] = CUT_SINK;
  while (head < tail) {
    int node = cut->queue[head++];
    for (int e = cut->first.items[node]; e >= 0; e = cut->edges.items[e].next) {
      const Edge *edge = &cut->edges.items[e], *into = &cut->edges.items[e ^ 1];
      if (into->room == 0 || cut->sink_side[edge->to]) continue;
      cut->sink_side[edge->to] = true;
      cut->queue[tail++] = edge->to;
    }
  }
}

bool cut_is_sink_side(const Cut *cut, int node) {
  return cut->sink_side[node];
}
