/* graph.h - the graph IR: a module of entries, parameters and states; operations on SSA values.
 *
 * Everything lives in the module's arena. Values have one definition; uses are found by walking. To
 * replace a value, set `value->forward` and call graph_resolve(function) once at the end of a pass.
 * Operations of a block are a doubly linked list in execution order.
 */
#ifndef IR_GRAPH_H
#define IR_GRAPH_H

#include "ir/operator.h"
#include "support/intern.h"
#include "support/source.h"
#include "support/vec.h"

typedef struct Value Value;
typedef struct Op Op;
typedef struct Block Block;
typedef struct Function Function;
typedef struct Module Module;

/* Where an operation comes from: a place in the user's file, and via which places in std or in
 * layers it was made (outermost first). `file` counts in Module.files; 0 is the module's own. */
typedef struct Location {
  int file;
  int line, column;
  Span span;                  /* of the same place in the sources; SPAN_NONE after parsing text */
  const struct Location *via; /* the next deeper place, or NULL */
} Location;

/* Where a value lies after planning. */
typedef enum {
  PLACE_NONE,
  PLACE_ARENA,
  PLACE_PARAM,
  PLACE_STATE,
  PLACE_CALLER,
  PLACE_VIEW /* in another value, `offset` bytes from its start */
} PlaceKind;
typedef struct {
  PlaceKind kind;
  int64_t offset;
  Value *of; /* VIEW: that value. ARENA: the one whose strides it has, since it is made or lies in a
                slice of it (ir/part.h); NULL: it is dense */
} MemoryPlace;

/* What every walk looks at comes first, to lie together in memory. */
struct Value {
  Value *forward;   /* replaced by this one; see graph_resolve */
  int64_t mark;     /* scratch for the running pass */
  Op *op;           /* that makes it; NULL: an argument */
  Block *block;     /* whose argument it is; NULL: an operation's result */
  int index;        /* among the results or arguments */
  int number;       /* %7; kept through all passes; -1 if it has a name. No two values that an
                       operation can see have one number; in a region it may be the outer one's */
  const char *name; /* %image; NULL: numbered */
  Type type;
  MemoryPlace place;
};

struct Op {
  Operator kind;
  int operand_count, result_count;
  bool again; /* a copy that makes its value again so that the first need not be kept: `cse` leaves
                 it */
  Value **operands, **results;
  Op *previous, *next;
  Block *region; /* fused, scan */
  int64_t mark;
  Attribute *attributes; /* all of the operator's, in the table's order; defaults filled in */
  const char *symbol;    /* @name without the @: read, write, fused */
  const Location *at;
  const char *layer; /* path of the layer it was made in ("layer2.0.conv1"), or the outermost
                        function's name ("max_pool2d"); NULL if not known (text IR has none) */
  const char *why;   /* what `select` chose it from, with the costs; NULL: nothing was chosen */
  Block *block;
};

/* How an operand enters a region. */
typedef enum { BIND_PLAIN, BIND_CARRY, BIND_EACH } BindKind;

struct Block {
  Value **arguments; /* of a region: as many as the op's operands, bound in order */
  BindKind *binds;   /* of a region */
  int argument_count;
  Op *first, *last;
  Value **yields; /* what `return` or `yield` gives; scan: the carries' next values */
  int yield_count;
  Value **emits; /* scan */
  int emit_count;
  Value *while_; /* scan: a trip is made while this is true; NULL: always */
  Op *op;        /* whose region it is; NULL: a function's body */
  Function *function;
};

/* A `value` entry is a train entry's loss alone, as it is outside of training: @fit_value. */
typedef enum { FUNCTION_MODEL, FUNCTION_TRAIN, FUNCTION_INIT, FUNCTION_VALUE } FunctionKind;
enum { FUNCTION_KINDS = FUNCTION_VALUE + 1 };
extern const char *const function_kind_names[FUNCTION_KINDS]; /* "model" .. */

/* A relation among dims that could not be decided: checked when the entry is called. */
typedef enum { CHECK_EQUAL, CHECK_LESS_OR_EQUAL, CHECK_LESS } CheckKind;
typedef struct {
  CheckKind kind;
  const Dim *left, *right;
  const Location *at;
} Check;
typedef VEC(Check) CheckList;

typedef struct {
  const char *name; /* "out" for an unnamed single result; out0, out1 .. for several */
  Type type;
  bool is_named;
} Result;

struct Function {
  FunctionKind kind;
  const char *name;
  Block *body;              /* its arguments are the tensor inputs, in order */
  VEC(const Symbol *) dims; /* index dims that are arguments: pos: dim in 0..1024 */
  VEC(Result) results;
  CheckList checks;
  const Location *at;
  bool is_planned;
  int64_t arena_bytes, arena_align; /* after planning */
  int next_number;                  /* of values */
  Module *module;
  /* While a pass runs, of a scan's region that is a function meanwhile (passes/scan_bodies.h): the
   * operation, and how many of the results are carried on and emitted. Else NULL. */
  Op *scan;
  int carries, emits;
};

typedef enum { TENSOR_PARAM, TENSOR_STATE } TensorKind;
typedef struct {
  TensorKind kind;
  const char *name; /* "conv2d_0.weight" */
  Type type;
  Data *data; /* NULL: given at run time */
  const Location *at;
  MemoryPlace place;
  int64_t mark; /* scratch for the running pass */
} Tensor;

/* The order in which the binary's `train` runs the steps: `train { critic * 5; generator }`. */
typedef struct {
  const char *entry;
  int64_t times;
} ScheduledStep;

/* `run generate { token, pos -> next -> token }`; runs.h says what it means. Index dims are not
 * among the inputs: they count. */
typedef VEC(const char *) NameVec;
typedef struct {
  const char *entry;
  NameVec inputs, outputs;
} RunLine;

typedef struct {
  const char *name;
  VEC(RunLine) lines;
  int64_t start, end; /* tokens; -1: not said */
} PageRun;

/* What is stored in a smaller type than it has in the text: how many tensors, their bytes, with
 * scales, and the bytes before. `element` f32: nothing. */
typedef struct {
  Element element;
  int64_t tensors, bytes, was;
  int64_t products; /* that are computed in bf16 */
} SmallWeights;
const char *small_type_name(Element element); /* as options have it: "f32", "bf16", "int8" */

struct Module {
  Arena *arena;
  Interner *names;
  DimTable *dims;
  const char *name;             /* "lenet" */
  const char *after;            /* the pass it stands after */
  VEC(const char *) files;      /* [0] the module's own .dl, then "std.dl" ..., as they are shown */
  VEC(const char *) file_words; /* their short words in text: "", "std" .. */
  VEC(Tensor *) tensors;
  VEC(Function *) functions;
  VEC(ScheduledStep) schedule; /* empty: not said, or nothing trains */
  VEC(PageRun) runs;
  SmallWeights small;
  struct TensorIndex *index; /* of tensors by name; made when asked */
};

Module *module_new(Arena *arena, const char *name);
Function *module_function(const Module *module, const char *name); /* or NULL */
Tensor *module_tensor(const Module *module, const char *name);     /* or NULL; O(1) */
Tensor *module_add_tensor(Module *module, TensorKind kind, const char *name, Type type,
                          const Location *at);
Function *module_add_function(Module *module, FunctionKind kind, const char *name);

/* What a tensor is to those who keep it. A network is its parameters and layers' states (a batch
 * norm's mean). A state of training's own, such as an optimizer's moments, is named after the train
 * entry it was made in (fit.adam_0.conv2d_0.weight.m), or at least no model nor value entry uses
 * it and it stands beside no parameter. What a model writes is its memory from call to call. */
typedef enum { ROLE_PARAMETER, ROLE_STATE, ROLE_TRAINING, ROLE_MEMORY } TensorRole;
TensorRole tensor_role(const Module *module, const Tensor *tensor);
/* "adam", from the names of such states that the train entry uses; NULL: it has none. */
const char *function_optimizer(const Function *function);

Value *function_add_input(Function *function, const char *name, Type type);

/* ---- editing ---- */
Block *block_new(Function *function, Op *op);
Value *block_add_argument(Block *block, const char *name, Type type, BindKind bind);
Value *value_new(Function *function, Type type);
/* An operation that is not in a block yet. Operands are copied; all attributes must be complete. */
Op *op_new(Function *function, Operator kind, Value *const *operands, int operand_count,
           const Attribute *attributes, const Type *results, int result_count);
void op_append(Block *block, Op *op);
void op_insert_before(Op *where, Op *op);
void op_insert_after(Op *where, Op *op);
void op_remove(Op *op);                 /* out of its block; its results must not be used */
void graph_resolve(Function *function); /* all operands and yields follow `forward` to its end */
/* Sets each value's `mark` to its number of uses. */
void graph_count_uses(Function *function);
int function_operations(const Function *function, bool into_regions);
/* Numbers all values, those of regions included, in `mark`, densely from 0; returns their count:
 * for tables of what a pass knows of each. */
int graph_number_values(Function *function);
/* A deep copy of a whole module in another arena (bisect, diff); data's bytes are shared. */
Module *module_copy(Arena *arena, const Module *module);
/* Of one of its functions in the module itself. */
Function *function_copy(Module *module, const Function *function, const char *name);

/* In another module, with the values that `dims` gives to the dims; false, NULL: one leaves 64
 * bits.
 */
bool type_copy_at(Module *module, const Type *from, const int64_t *dims, Type *to);
Op *op_copy_at(Block *block, const Op *from, Value *const *operands, const int64_t *dims);

/* ---- attributes ---- */
const AttributeValue *op_attribute(const Op *op, AttributeName name); /* bug() if it has none */
int64_t op_integer(const Op *op, AttributeName name);                 /* of a constant DIM */
bool op_flag(const Op *op, AttributeName name);
const char *op_word(const Op *op, AttributeName name);
int op_list_count(const Op *op, AttributeName name);
const Dim *op_list_dim(const Op *op, AttributeName name, int i);
int64_t op_list_integer(const Op *op, AttributeName name, int i);
int64_t op_pair_integer(const Op *op, AttributeName name, int i, int side);
void op_set_attribute(Op *op, AttributeName name, AttributeValue value);

static inline Value *op_result(const Op *op) {
  return op->results[0];
}
/* Of windows and overlap_add: no element is in two windows, and none is skipped within one. */
bool windows_are_apart(const Op *op);
/* A cast to f32 of a smaller type, all of whose numbers f32 holds. */
bool op_widens(const Op *op);
/* Of a product with panels: so many neighbouring rows of them take turns, column by column. */
int64_t panel_turns(const Op *op);
/* Of conv_weight: it is by Winograd's algorithm. */
bool conv_weight_is_winograd(const Op *op);
/* The scalar that a constant, full or broadcast chain holds everywhere. */
bool value_is_uniform(const Value *value, Number *number);

#endif
