#include "ir/blocking.h"

#include "support/whole.h"

enum {
  MOST_ROWS = 14,      /* of a tile: more would gain little and cost code */
  STRIP_ROWS = 96,     /* about: so many times a piece of a panel is used while it is near; */
  FILLED_ROWS = 384,   /* the same where a piece is copied first */
  GROUP_BLOCKS = 4,    /* about: so many times rows of x are, */
  GROUP_COLUMNS = 256, /* or, if x comes from beyond L2 for each group, by so many columns */
  LEAST_TRIPS = 8,     /* for threads; a smaller group then */
  L2_PART = 8, /* of which a panel takes one, or two if there is one strip alone: sums so far cost
                  more than reading L2 does; */
  STRIP_PART = 3, /* and the strip's part of x so many */
  STEP = 4        /* a piece is a multiple of it */
};

int64_t blocking_even_part(int64_t size, int64_t most, int64_t by) {
  if (size < 1) return by;
  most = most < by ? by : most;
  return ceil_of(ceil_of(size, ceil_of(size, most)), by) * by;
}

int64_t blocking_tile_columns(int lanes, int registers, int64_t width, int64_t rows) {
  int64_t most = registers / (rows == 1 ? 2 : 8), vectors = width / lanes;
  if (most == 2 && vectors % 2 && vectors % 3 == 0) return 3 * (int64_t)lanes; /* by 3 rows */
  for (int64_t v = most < vectors ? most : vectors; v > 1; v--)
    if (vectors % v == 0) return v * lanes;
  return lanes;
}

int blocking_tile_rows(int lanes, int registers, int64_t columns) {
  int vectors = (int)((columns + lanes - 1) / lanes);
  int spare = registers / 8; /* of x, and for loads ahead: without, accumulators spill */
  int rows = (registers - vectors - spare) / vectors;
  return rows < 1 ? 1 : rows > MOST_ROWS ? MOST_ROWS : rows;
}

int blocking_even_rows(int most, int64_t count) {
  int64_t tiles = ceil_of(count, most);
  return (int)ceil_of(count, tiles);
}

int blocking_split(int64_t x_bytes, int64_t w_bytes) {
  return x_bytes > w_bytes ? SPLIT_ROWS : SPLIT_COLUMNS;
}

/* Rows whose distance is a power of two, or nearly, meet in few sets of L2. */
int64_t blocking_room(const BlockingMachine *m, const BlockingProduct *p, int64_t depth) {
  enum { WAYS = 8, WAYS_OF_X = 5 };
  int64_t way = m->l2 / WAYS, apart = p->apart * (int64_t)sizeof(float);
  if (apart <= 0 || depth <= 0) return INT64_MAX;
  int64_t step = common_divisor(apart, way), each = depth * (int64_t)sizeof(float);
  return WAYS_OF_X * way / (each > step ? each : step);
}

/* So many rows that their part of x stays in L2, beside a piece of a panel. */
static int64_t strip_rows(const BlockingMachine *m, const BlockingProduct *p, const Blocking *b) {
  enum { LEAST_TILES = 4 };
  int64_t depth = b->segments * b->depth, most = p->copies ? FILLED_ROWS : STRIP_ROWS;
  int64_t room = blocking_room(m, p, depth);
  if (room < most) most = room;
  room = STRIP_PART * (m->l2 / L2_PART) / (int64_t)sizeof(float);
  if (p->segments == 1 && !p->copies && depth * most > room) most = room / depth;
  if (most < LEAST_TILES * b->tile) most = LEAST_TILES * b->tile;
  return blocking_even_part(p->rows, most, b->tile);
}

/* The piece of the sum: a part of L2, or of all panels. */
static void cut_sum(const BlockingMachine *m, const BlockingProduct *p, Blocking *b) {
  b->depth = p->run;
  if (p->rows <= 2 * b->tile) return;
  int64_t part = m->l2 / (p->rows > STRIP_ROWS ? L2_PART : L2_PART / 2);
  int64_t piece = (part > m->l1 ? part : m->l1) / p->step_bytes;
  b->pieces = p->run * p->segments > piece * 3 / 2;
  if (b->pieces && p->run > piece) {
    b->segments = 1;
    b->depth = blocking_even_part(p->run, piece, STEP);
  } else if (b->pieces)
    b->segments = blocking_even_part(b->segments, piece / p->run, 1);
}

void blocking_cut_sum(Blocking *b, int64_t segments, int64_t run, int64_t terms) {
  b->segments = segments, b->depth = run;
  if (terms / run < segments) b->segments = blocking_even_part(segments, terms / run, 1);
  if (terms < run) b->depth = blocking_even_part(run, terms, STEP);
  if (b->depth > run) b->depth = run;
  b->pieces = b->segments < segments || b->depth < run;
}

/* Columns of a group of about so many blocks, or of fewer, for each thread to have some. */
static int64_t group_columns(const BlockingProduct *p, const Blocking *b, int64_t group) {
  int64_t trips = ceil_of(p->rows, b->strip), blocks = ceil_of(p->size, p->columns);
  trips *= p->lines < LEAST_TRIPS ? p->lines * p->groups : LEAST_TRIPS;
  while (group > 1 && trips * ceil_of(blocks, group) < LEAST_TRIPS) group /= 2;
  return (p->rows > b->tile ? blocking_even_part(blocks, group, 1) : 1) * p->columns;
}

Blocking blocking_usual(const BlockingMachine *m, const BlockingProduct *p) {
  Blocking b = {.tile = p->tile, .segments = p->segments};
  if (p->run > 0) cut_sum(m, p, &b);
  b.strip = strip_rows(m, p, &b);
  int64_t group = GROUP_BLOCKS, of_x = p->rows * p->run * (int64_t)sizeof(float);
  bool far = p->segments == 1 && !p->copies && of_x > m->l2 / 2;
  if (far && group < GROUP_COLUMNS / p->columns) group = GROUP_COLUMNS / p->columns;
  b.columns = group_columns(p, &b, group);
  return b;
}

static int64_t part_begin(int64_t all, int64_t number, int64_t parts) {
  return all * number / parts;
}

/* Tiles, each by a block, of the first trips. */
static double work_before(const BlockingTrips *t, int64_t trips) {
  int64_t inner = t->by_rows ? t->groups : t->strips, outer = trips / inner, line, number;
  int64_t all = t->by_rows ? t->tiles : t->blocks, of = t->by_rows ? t->strips : t->groups;
  int64_t each = t->by_rows ? t->blocks : t->tiles; /* what the inner parts divide */
  double done = (double)part_begin(each, trips % inner, inner);
  if (t->by_rows) { /* lines, strips, groups */
    line = outer / of, number = outer % of;
    double part = (double)(part_begin(all, number + 1, of) - part_begin(all, number, of));
    return ((double)line * (double)all + (double)part_begin(all, number, of)) * (double)each +
           part * done;
  } /* groups, lines, strips */
  number = outer / t->lines, line = outer % t->lines;
  double part = (double)(part_begin(all, number + 1, of) - part_begin(all, number, of));
  return (double)part_begin(all, number, of) * (double)each * (double)t->lines +
         part * ((double)line * (double)each + done);
}

/* How many times its fair share the thread that has most of it does, on average of some numbers of
 * threads. */
static double unevenness(const BlockingTrips *t) {
  int64_t all = t->lines * t->strips * t->groups;
  double whole = work_before(t, all), sum = 1;
  int counts = 1;
  for (int64_t threads = 2; threads <= 4; threads *= 2, counts++) {
    double most = 0;
    for (int64_t i = 0; i < threads; i++) {
      double own = work_before(t, part_begin(all, i + 1, threads)) -
                   work_before(t, part_begin(all, i, threads));
      most = own > most ? own : most;
    }
    sum += most * (double)threads / whole;
  }
  return sum / counts;
}

void blocking_even_trips(BlockingTrips *trips, double strip, double group) {
  enum { MORE = 4, MANY = 256 };
  const BlockingTrips from = *trips;
  if (from.lines < 1 || from.lines > MANY || from.strips > MANY || from.groups > MANY) return;
  if (from.lines * from.strips * from.groups > MANY) return;
  double least = unevenness(trips);
  for (int64_t s = from.strips; s <= from.strips + MORE && s <= from.tiles; s++)
    for (int64_t g = from.groups; g <= from.groups + MORE && g <= from.blocks; g++) {
      BlockingTrips t = from;
      t.strips = s, t.groups = g;
      double more = (double)(s - from.strips) * strip + (double)(g - from.groups) * group;
      double time = unevenness(&t) * (1 + more);
      if (time >= least) continue;
      least = time, *trips = t;
    }
}

static void add(Blocking *list, int *count, Blocking b) {
  for (int i = 0; i < *count; i++)
    if (list[i].tile == b.tile && list[i].segments == b.segments && list[i].depth == b.depth &&
        list[i].strip == b.strip && list[i].columns == b.columns)
      return;
  if (*count < MOST_BLOCKINGS) list[(*count)++] = b;
}

int blocking_ways(const BlockingMachine *m, const BlockingProduct *p,
                  Blocking list[MOST_BLOCKINGS]) {
  enum { DEPTHS = 3, STRIPS = 3, GROUPS = 2 };
  int count = 0;
  Blocking usual = blocking_usual(m, p);
  add(list, &count, usual);
  if (p->run < 1 || p->rows <= 2 * p->tile) return count;
  const int64_t depths[DEPTHS] = {m->l1 / 2 / p->step_bytes, m->l2 / L2_PART / p->step_bytes,
                                  p->segments * p->run};
  const int64_t strips[STRIPS] = {STRIP_ROWS / 2, STRIP_ROWS, 2 * STRIP_ROWS};
  const int64_t groups[GROUPS] = {GROUP_BLOCKS, GROUP_COLUMNS / p->columns};
  for (int d = 0; d < DEPTHS; d++)
    for (int s = 0; s < STRIPS; s++)
      for (int g = 0; g < GROUPS; g++) {
        Blocking b = usual;
        blocking_cut_sum(&b, p->segments, p->run, depths[d]);
        int64_t most = blocking_room(m, p, b.segments * b.depth);
        most = most < strips[s] ? most : strips[s];
        b.strip = blocking_even_part(p->rows, most, b.tile);
        b.columns = group_columns(p, &b, groups[g] < 1 ? 1 : groups[g]);
        add(list, &count, b);
      }
  for (int64_t less = 1; less <= 2 && usual.tile - less >= 2; less++) {
    Blocking b = usual;
    b.tile -= less;
    b.strip = ceil_of(b.strip, b.tile) * b.tile;
    add(list, &count, b);
  }
  return count;
}
