/* select.h - the pieces of `select`, for its files alone: select.c walks the operations,
 * select_conv.c, select_conv_transpose.c and select_product.c rewrite products, select_layout.c
 * carries layouts through what lies between. */
#ifndef PASSES_SELECT_H
#define PASSES_SELECT_H

#include "passes/choice.h"
#include "passes/constants.h"
#include "passes/cost.h"
#include "passes/rewrite.h"

/* The same elements as a value's in another order. `value`'s axis j is the original's axis perm[j];
 * or, `flat`, its last axis runs through group_dims of the original's last axis in the order
 * group_perm (a flattened map: [N, H*W*C] for [N, C*H*W]), and the others are as they are. */
typedef struct {
  Value *value;
  Value *original; /* the original's order made again; NULL: nobody needed it so far */
  int perm[MOST_AXES];
  bool flat;
  int group_rank, group_perm[MOST_AXES];
  const Dim *group_dims[MOST_AXES];
} Alternate;

typedef struct {
  PassContext *context;
  Module *module;
  Function *function;
  Constants constants;
  bool changed; /* something in this function */
  int choices;
  bool images;          /* the function holds convolutions in nhwc */
  const char *why;      /* of the last choice, */
  const char *taken;    /* its candidate, */
  const Op *chosen;     /* the operation, */
  const char *phase;    /* its phase that is chosen for, "0,1", or NULL, */
  const char *of_phase; /* what was taken for that, */
  int64_t columns;      /* and its panels' */
} Select;

/* ---- select_cost.c, select_blocking.c ---- */

/* Ways to compute an operation; `forms` is for who lists them. */
enum { MOST_CANDIDATES = 32 };
typedef struct {
  Candidate items[MOST_CANDIDATES];
  int forms[MOST_CANDIDATES];
  int count;
} Candidates;

void candidates_add(Candidates *list, Candidate candidate, int form);

/* A product in panels of weights, as its tiles see it. */
typedef struct {
  double rows;
  int64_t size, depth, groups; /* columns and terms of a group */
  int64_t run;                 /* of terms that are neighbours in x; 0: panels have whole vectors */
  double bytes;                /* of operands and result */
  double share, before;        /* of the peak; seconds that come first, whatever the panels */
  bool within;                 /* another kernel: what tiles take beside their steps is its own */
} PanelWork;
/* A row for each width that panels may have, of equals the better one last. */
void candidates_add_panels(const Select *s, Candidates *list, const char *name, int form,
                           const PanelWork *work);

/* The loops of x by panels, which were chosen last: notes the candidates in `why` too. False: there
 * is no choice. */
bool select_blocking(Select *s, const Type *x, const Type *panels, bool pairs, int64_t size,
                     Attribute *attribute);
/* The same of a conv_panel, and of the blocks of a conv_winograd, whose attribute they set. */
void select_conv_blocking(Select *s, Op *conv);
void select_winograd_blocks(Select *s, Op *conv);
/* As select_choose, for s->phase of what was just taken, */
int select_choose_phase(Select *s, const Candidates *list);
/* or for the loops of that or of all of it: a product of `sizes`. */
int select_choose_loops(Select *s, const char *sizes, const Candidates *list);

/* What bytes take to come, once. */
double select_traffic(const Select *s, double bytes);
/* Arithmetic at a share of the peak, or the traffic, whichever takes longer. */
double select_time(const Select *s, double flops, double share, double bytes);
/* Slots of a vector's multiply-add that a tile of so many sums takes beside its steps: what is left
 * in the pipes overlaps the next one's first steps, unless they are many. */
double select_tile_start(double sums);
/* Bringing a weight that is no constant into panels, in each call. */
double select_packing(const Select *s, double elements);
/* A dot of so many rows of x whose weight of so many elements is read as it lies, `turned` if the
 * sum is over its last axis; `bytes` of operands and result. */
double select_rows_time(const Select *s, double flops, double elements, double rows, bool turned,
                        double bytes);
/* The number of the one that is taken: the cheapest (of equals the last), or the Chooser's. Notes
 * all in `why`, and the panels' `columns`. */
int select_choose(Select *s, const Op *op, const Candidates *list);

/* ---- select_layout.c ---- */

/* A value's alternate (Value.mark), or NULL. */
Alternate *alternate_of(const Value *value);
/* Notes that `alternate` is the original's transpose by `perm`. */
void alternate_set(Select *s, Value *original, Value *alternate, const int *perm);
/* The value in its own order of axes, made before `b->before` if it is not there yet. */
Value *original_order(Select *s, Builder *b, Value *value);
/* The value with its axes permuted: the alternate, if it is that one. */
Value *permuted(Select *s, Builder *b, Value *value, const int *perm);
/* The operation done on its operands' alternates, if one has one and it can be. The result's
 * alternate is noted; the operation stays, to be dropped if nobody needs it. */
bool propagate(Select *s, Op *op);
/* Notes that an image which a gradient makes of rows may as well be had in nhwc. */
void expect_image(Select *s, Op *op);

/* ---- select_conv.c, select_conv_transpose.c ---- */

/* Each, here and below, gives false if it leaves the operation as it is. */
bool select_conv(Select *s, Op *op);
bool select_conv_transpose(Select *s, Op *op);
bool select_conv_weight(Select *s, Op *op);

/* ---- select_winograd.c ---- */

/* A convolution of maps [images, size.., channels]. */
typedef struct {
  double images, size[2]; /* of the result; */
  double fewest;          /* and images that a call may have */
  bool is_fixed;          /* its size */
  int64_t channels, out, kernel[2], stride[2];
  bool is_constant; /* its weight */
} SelectWinograd;

/* A conv, or conv_transpose of stride 1. */
SelectWinograd select_winograd_of(const Select *s, const Op *op, int64_t out, int64_t channels,
                                  const int64_t *stride);
/* What Winograd's algorithm may take with a tile; negative: it is not to be done. */
double select_winograd_time(const Select *s, const SelectWinograd *conv, const int64_t *tile);
/* The same down the lines alone, of few channels (backend/product_winograd_lines.c). */
double select_winograd_lines_time(const Select *s, const SelectWinograd *conv, int64_t tile);
/* The convolution by packed weights [P, kernel.., channels, B]. */
Value *select_winograd(Select *s, Builder *b, Value *x, Value *panels, const SelectWinograd *conv,
                       const int64_t *tile, const int64_t (*pad)[2]);

/* ---- select_product.c ---- */

const Dim *select_number(Select *s, int64_t value);
/* x itself if there is nothing to add. `between` may be NULL. */
Value *select_pad(Select *s, Builder *b, Value *x, const int64_t *before, const int64_t *after,
                  const int64_t *between);
/* Columns of a panel of `depth` rows where nothing was chosen: those that leave the least of the
 * last panel empty, of these the most, as long as it is a modest part of L2. */
int64_t select_panel_columns(const Select *s, int64_t size, int64_t depth);
/* How many times its own arithmetic a product does in such panels, whose last one may be half
 * empty.
 */
double select_panel_waste(const Select *s, int64_t size, int64_t depth);
/* w [groups * size, rest...] to panels [groups * P, rest permuted..., B]; `perm` tells the order of
 * the rest's axes (from 1), `columns` is B; 0: as it fits best. */
Value *select_pack_rows(Select *s, Builder *b, Value *w, int64_t groups, const int *perm,
                        int64_t columns);
/* Of a weight as it is stored. */
Element select_element(const Value *weight);
double select_bytes(const Value *weight);
bool select_is_constant(const Select *s, const Value *weight);
/* The value, with the reasons of the last choice. */
Value *select_because(const Select *s, Value *value);
/* The bf16 values that both operands of a product were rounded to (--compute-type), if panels can
 * take them in pairs: they multiply the rows of [.., K, B] by twos. */
bool select_pairs(const Select *s, const Op *op, Value *operands[2]);
/* Panels [.., K, B] with rows by pairs taking turns, if x is bf16; sets the attribute. */
Value *select_pair_panels(Select *s, Builder *b, const Value *x, Value *panels,
                          Attribute *attribute);
/* Of what was chosen last. */
Value *select_dot_panel(Select *s, Builder *b, Value *x, Value *panels, int64_t size);
bool select_dot(Select *s, Op *op);
bool select_attention(Select *s, Op *op);

#endif
