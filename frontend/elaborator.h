/* elaborator.h - what the elaborator's files share. Private to frontend/.
 *
 * An Object is a value known while compiling, or a tensor of the function being built. A Frame is
 * one execution of a body: of the file, an entry, a layer or a function. Instances and parameters
 * are kept by path for the whole module; bodies are executed once for each application.
 *
 * What fails is reported where it fails and becomes the ERROR object, which everything that meets
 * it passes on in silence. `stopped` ends the whole run.
 */
#ifndef FRONTEND_ELABORATOR_H
#define FRONTEND_ELABORATOR_H

#include "frontend/elaborate.h"
#include "ir/build.h"

typedef struct Object Object;
typedef struct Scope Scope;
typedef struct Frame Frame;
typedef struct Instance Instance;
typedef struct Elaborator Elaborator;
typedef struct Scan Scan;

/* ---- maps from pointers (interned names, nodes) to pointers, in order of insertion ---- */
typedef struct {
  const void *key;
  void *value;
} PointerEntry;
typedef struct {
  Arena *arena;
  VEC(PointerEntry) entries;
  uint32_t *slots; /* index + 1 into entries */
  size_t slot_count;
} PointerTable;
void *pointer_get(const PointerTable *map, const void *key);
void pointer_set(PointerTable *map, const void *key, void *value);

/* ---- objects ---- */
typedef enum {
  OBJECT_ERROR,
  OBJECT_NONE,
  OBJECT_INTEGER,   /* integer */
  OBJECT_REAL,      /* real */
  OBJECT_BOOL,      /* integer */
  OBJECT_STRING,    /* text */
  OBJECT_DIM,       /* dim: never a constant */
  OBJECT_LIST,      /* items, count */
  OBJECT_MAP,       /* keys, items, count */
  OBJECT_TYPE,      /* type, is_bare */
  OBJECT_TENSOR,    /* tensor; parameter if it is a plain read of one */
  OBJECT_PARAMETER, /* parameter: a param or state that was not read yet */
  OBJECT_FUNCTION,  /* definition, home, frame (of a local one) */
  OBJECT_BUILTIN,   /* builtin */
  OBJECT_LAYER,     /* definition, home */
  OBJECT_ENTRY,     /* definition, home */
  OBJECT_OPTIMIZER, /* definition, home */
  OBJECT_INSTANCE,  /* instance: of a layer, or of an optimizer */
  OBJECT_PARTIAL,   /* a call with a hole: callee, arguments, argument_count, hole */
  OBJECT_PATH,      /* members: what lies under a dotted path */
  OBJECT_NAMESPACE, /* integer: 0 std, 1 op */
} ObjectKind;

typedef struct {
  const char *name; /* NULL: by position */
  Object *value;
  Span span;      /* of the value */
  Span name_span; /* of the name, if there is one */
} Actual;

typedef struct {
  TensorKind kind;
  const char *path;
  Type type;
  const Stmt *declared; /* the statement */
  const Instance *owner;
  Tensor *tensor; /* NULL until an entry reads it */
  const Location *at;
  Frame *frame; /* in which it was declared */
  Value *first; /* its first value, if that was made to find the type */
} NamedParameter;

typedef struct Builtin Builtin;

struct Object {
  ObjectKind kind;
  bool is_bare;     /* TYPE: without brackets */
  bool is_quotient; /* INTEGER: of two literals that did not divide evenly */
  bool is_index;    /* TENSOR: a whole number that takes the type it meets, as literals do */
  union {
    int64_t integer;
    double real;
    const char *text;
    const Dim *dim;
    const Type *type;
    const Builtin *builtin;
    Instance *instance;
    PointerTable *members;
    struct {
      Object **items, **keys;
      size_t count;
    };
    struct {
      Value *tensor;
      NamedParameter *parameter;
    };
    struct {
      const Definition *definition;
      const ProgramFile *home;
      Frame *frame;
    };
    struct {
      Object *callee;
      Actual *arguments;
      size_t argument_count, hole;
    };
  };
};

/* A layer or an optimizer with its hyperparameters. Two that are bound to one path are one: `same`
 * leads to the first. */
struct Instance {
  const char *path; /* interned; NULL: not bound yet */
  Instance *same;
  const Object *layer;
  Object **hyper; /* as many as the definition has */
  const Expr *made_by;
  const Frame *made_in;
  const char *suffix;    /* ".2.0": indices of the loops it was made in */
  const void *owner;     /* the Definition whose body bound it; the file's: NULL */
  const char *call;      /* as written */
  PointerTable *dims;    /* name -> Dim: held from the first application on */
  PointerTable *members; /* what its body named: instances, lists of them, parameters */
  VEC(Object *) order;   /* its parameters and inner instances, in text order */
  bool is_applied;
  bool is_broken;  /* its name was refused: what uses it stays silent */
  bool has_failed; /* an application had a mistake */
};

struct Scope {
  Scope *parent;
  PointerTable names;
};

/* The body of a scan while it is built. */
typedef struct Region {
  struct Region *outer;
  Block *block;
  PointerTable held; /* NamedParameter -> Held: the first version is an argument of the block */
} Region;

typedef enum {
  FRAME_FILE,
  FRAME_ENTRY,
  FRAME_LAYER,
  FRAME_OPTIMIZER,
  FRAME_FUNCTION,
  FRAME_VALUE
} FrameKind;

struct Frame {
  FrameKind kind;
  const Definition *definition;
  const ProgramFile *home;
  const Frame *caller;
  Frame *lexical; /* of a local function: the body it stands in */
  Span call;      /* where it was called, in the caller's file */
  const char *call_text;
  int depth;
  Scope *scope;
  Instance *instance;      /* LAYER, OPTIMIZER */
  NamedParameter *subject; /* OPTIMIZER: the parameter that it steps */
  const char *layer;       /* Op.layer of what is made here */
  bool has_float, has_int;
  Element float_element, int_element;
  bool has_ellipsis;
  const Dim *ellipsis[MOST_AXES];
  int ellipsis_count;
  VEC(int64_t) loops;
  PointerTable named; /* full path -> Instance or NamedParameter of this execution */
  Object *result;
  bool is_done;          /* a return was met */
  const Location *chain; /* location of the call: the places down to it */
  const Type *declared;  /* while an initialiser is evaluated */
};

struct Elaborator {
  Arena *arena;
  Diagnostics *diagnostics, *hidden;
  Interner *interner;
  const Program *program;
  const ElaborateOptions *options;
  Elaboration *extra;
  Module *module;
  Builder *builder; /* of the function being built; NULL at the top level */
  Builder init_builder;
  Function *init;
  Frame *file_frame;
  Scope *file_scope;
  PointerTable declarations; /* Declaration -> Object, or &busy */
  PointerTable paths;        /* path -> Instance */
  PointerTable parameters;   /* path -> NamedParameter */
  PointerTable symbols;      /* name -> Symbol */
  PointerTable unnamed;      /* body (Definition, or the main file's AstFile) -> list of calls */
  PointerTable header_names; /* Definition -> names of dims that its params use */
  PointerTable reported;     /* bytes of a place -> reported there */
  PointerTable file_numbers; /* source number + 1 -> index in Module.files + 1 */
  PointerTable builtins;     /* name -> Builtin */
  const char *entry;
  FunctionKind entry_kind;
  PointerTable held;      /* NamedParameter -> Held: what the entry knows of it */
  PointerTable init_held; /* the same of `init` */
  Region *region;         /* of the innermost scan; NULL: none */
  Scan *scan;
  int64_t epoch; /* marks of values: the last walk over them */
  int64_t steps, operations;
  int depth, site;
  int64_t parameter_numbers;  /* in all parameters read so far */
  const Frame *located_frame; /* the last location that was made */
  Span located_span;
  const Location *located;
  const NamedParameter *initialised; /* whose initialiser is evaluated */
  bool stopped;
};

/* ---- limits of elaboration ---- */
enum { MOST_CALLS = MOST_NESTING, MOST_EVALUATIONS = 60000, MOST_TEXT = 65536, CALL_STEPS = 16 };
#define MOST_STEPS ((int64_t)10 * 1000 * 1000)

/* values.c */
extern Object *const error_object, *const none_object;
Object *object_new(Elaborator *e, ObjectKind kind);
Object *object_integer(Elaborator *e, int64_t value);
Object *object_real(Elaborator *e, double value);
Object *object_bool(Elaborator *e, bool value);
Object *object_string(Elaborator *e, const char *text);
Object *object_dim(Elaborator *e, const Dim *dim); /* a constant becomes an INTEGER */
Object *object_list(Elaborator *e, size_t count);  /* items are to be filled in */
Object *object_type(Elaborator *e, Type type, bool is_bare);
Object *object_tensor(Elaborator *e, Value *value);
static inline bool is_error(const Object *object) {
  return object->kind == OBJECT_ERROR;
}
static inline bool is_number(const Object *o) {
  return o->kind == OBJECT_INTEGER || o->kind == OBJECT_REAL;
}
static inline bool is_tensor(const Object *o) {
  return o->kind == OBJECT_TENSOR || o->kind == OBJECT_PARAMETER;
}
static inline bool is_callable(const Object *o) {
  return o->kind == OBJECT_FUNCTION || o->kind == OBJECT_BUILTIN || o->kind == OBJECT_INSTANCE ||
         o->kind == OBJECT_PARTIAL || o->kind == OBJECT_ENTRY || o->kind == OBJECT_LIST;
}
bool object_equal(const Object *a, const Object *b);
const Type *object_tensor_type(const Object *object); /* of a TENSOR or PARAMETER */
/* For messages: "a list of 3", "f32[N, 10]", "the layer 'Conv2d'", "7". */
const char *object_text(Elaborator *e, const Object *object);
const char *dim_text(Elaborator *e, const Dim *dim);
const Dim *object_to_dim(Elaborator *e, const Object *object); /* NULL if it is no integer */

/* errors.c */
Diagnostic *report(Elaborator *e, const Frame *frame, DiagnosticCode code, Span span,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Ends the run after an error that would be followed by others. */
void stop(Elaborator *e);
bool take_step(Elaborator *e, const Frame *frame, Span span, int64_t steps);
const char *source_text(Elaborator *e, Span span, size_t most); /* in one line */
const Location *location_at(Elaborator *e, const Frame *frame, Span span);
void unsupported(Elaborator *e, const Frame *frame, Span span, const char *what);
const char *nearest_in_table(const char *name, const PointerTable *map);
bool is_standard(const Elaborator *e, Span span);

/* lookup.c */
Scope *scope_new(Elaborator *e, Scope *parent);
Object *look_up(Elaborator *e, Frame *frame, const char *name, Span span);         /* reports */
Object *look_up_quietly(Elaborator *e, Frame *frame, const char *name, Span span); /* or NULL */
Object *declared_object(Elaborator *e, const Declaration *declaration, const ProgramFile *home);
const Symbol *find_symbol(Elaborator *e, const char *name, Span span);
void check_overrides(Elaborator *e);

/* expressions.c */
Object *evaluate(Elaborator *e, Frame *frame, const Expr *expr);
/* A bool known while compiling: 0, 1, or -1 after an error. */
int evaluate_condition(Elaborator *e, Frame *frame, const Expr *expr);
Object *member_of(Elaborator *e, Frame *frame, Object *object, const char *name, Span span);
/* The elements that a loop goes over; false after an error. */
bool iterate(Elaborator *e, Frame *frame, const Expr *expr, Object ***items, size_t *count);

/* arithmetic.c */
Object *unary(Elaborator *e, Frame *frame, AstOperator op, Object *x, Span span);
Object *binary(Elaborator *e, Frame *frame, AstOperator op, Object *x, Object *y, Span span,
               Span x_span, Span y_span);

/* tensors.c: operations */
typedef struct {
  Elaborator *e;
  Frame *frame;
  Span span;            /* of the whole */
  const Span *operands; /* of each operand, for messages; NULL */
  int operand_count;
  const char *name; /* of the operator in the language */
} Site;
Value *emit(const Site *site, Operator kind, Value *const *operands, int operand_count,
            const Attribute *attributes, int attribute_count);
Value *emit_typed(const Site *site, Operator kind, Type type, const char *symbol,
                  const Attribute *attributes, int attribute_count);
Object *emit_object(const Site *site, Operator kind, Value *const *operands, int operand_count,
                    const Attribute *attributes, int attribute_count);
void report_failure(const Site *site);
/* The value as a tensor; numbers and lists become constants of `element` (or, without, of their
 * own type), dims a run-time number. NULL after an error. */
Value *to_tensor(const Site *site, Object *object, const Element *element);
Value *number_tensor(const Site *site, Element element, Number number);
Value *cast_to(const Site *site, Value *x, Element element);
Value *reshape_to(const Site *site, Value *x, const Dim *const *dims, int rank);
Value *broadcast_to(const Site *site, Value *x, const Dim *const *dims, int rank);
/* Two operands of equal element type, as `x + y` wants them. */
bool unify(const Site *site, Object *x, Object *y, Value **x_value, Value **y_value);
Object *matmul(const Site *site, Object *x, Object *y);
void add_check(Elaborator *e, Frame *frame, Span span, CheckKind kind, const Dim *left,
               const Dim *right);
/* Are these the same? Undecided relations become checks of the entry. */
bool same_dim(Elaborator *e, Frame *frame, Span span, const Dim *a, const Dim *b);

/* slices.c */
Object *index_object(Elaborator *e, Frame *frame, const Expr *expr);
Object *element_of(Elaborator *e, Frame *frame, Object *object, const Expr *expr);
/* `old` with `value` at the part that the brackets of `expr` name; NULL after an error. */
Value *update_part(Elaborator *e, Frame *frame, Value *old, const Expr *expr, Object *value);

/* einsum.c */
Object *einsum(const Site *site, const char *spec, Object **operands, int count);

/* calls.c */
typedef struct {
  Elaborator *e;
  Frame *frame;
  const Expr *expr; /* the call, or the right side of a pipe */
  Span span;
  bool is_piped;
} CallSite;
Object *evaluate_call(Elaborator *e, Frame *frame, const Expr *expr);
Object *evaluate_pipe(Elaborator *e, Frame *frame, const Expr *expr);
Object *call_object(const CallSite *site, Object *callee, Actual *arguments, size_t count);
/* Executes a body whose parameters are bound. */
Object *run_body(Elaborator *e, Frame *body);
bool bind_parameters(const CallSite *site, Frame *body, const ParameterList *parameters,
                     const char *callee, Actual *arguments, size_t count, Object **values);
Frame *frame_new(Elaborator *e, FrameKind kind, const Definition *definition,
                 const ProgramFile *home, const CallSite *site);

/* layers.c */
Object *make_instance(const CallSite *site, const Object *layer, Actual *arguments, size_t count);
Object *apply_instance(const CallSite *site, Object *instance, Actual *arguments, size_t count);
Instance *instance_of(const Object *object);
/* Gives an instance that is applied where it is made its name, from the text. */
bool name_unnamed(const CallSite *site, Instance *instance);
/* Gives the instances in `object` their names; `path` is relative to the frame's. */
void name_instances(Elaborator *e, Frame *frame, const char *path, Object *object, Span span);
/* An instance that is to be named so and has another name already; NULL: there is none, or beside
 * it some that have no name yet. */
const Instance *named_otherwise(Elaborator *e, const Frame *frame, const char *path,
                                const Object *object);
Object *instance_member(Elaborator *e, Frame *frame, Instance *instance, const char *name,
                        Span span);
/* The name that a statement gives after `from`; NULL: it is none, reported. */
const char *name_from(Elaborator *e, Frame *frame, const Stmt *stmt);
void bind_path(Elaborator *e, Frame *frame, const char *path, Object *object, Span span);
bool collect_tensors(Elaborator *e, Frame *frame, Object *object, TensorKind kind, Object *list,
                     Span span);
/* The instance whose body the frame is: of a layer or an optimizer; NULL: none. */
Instance *frame_instance(const Frame *frame);
const char *full_path(Elaborator *e, const Frame *frame, const char *path);
bool path_is_free(Elaborator *e, Frame *frame, const char *path, Span span); /* reports */
void put_path(Elaborator *e, PointerTable *root, const char *path, Object *object);

/* parameters.c */
void declare_parameter(Elaborator *e, Frame *frame, const Stmt *stmt);
/* The parameter of a declaration, new or met again; NULL after an error. */
NamedParameter *new_parameter(Elaborator *e, Frame *frame, const Stmt *stmt);

/* unnamed.c: "conv2d_0" of a layer that is applied where it is made; NULL: it is not */
const char *unnamed_name(Elaborator *e, const Frame *frame, const Instance *instance);

/* initialise.c: makes the parameter's part of `init` */
void initialise(Elaborator *e, NamedParameter *parameter);
/* Finds the type of a state that is declared without one: that of its first value. */
bool initialise_type(Elaborator *e, NamedParameter *parameter);

/* writes.c: parameters and states within a function: read once, then the value written last. */
typedef struct {
  VEC(Value *) versions; /* the value read, then those written */
  bool is_written;
  const Location *at; /* of the last write */
} Held;
Held *held_of(Elaborator *e, const NamedParameter *parameter); /* in the region; or NULL */
/* The last of its versions that has this mark, in the scans around too; or NULL. */
Value *marked_version(Elaborator *e, const NamedParameter *parameter, int64_t mark);
Value *read_parameter(const Site *site, NamedParameter *parameter);
void write_parameter(const Site *site, NamedParameter *parameter, Value *value);
/* The value that the name of a parameter has at this point. */
Object *snapshot(Elaborator *e, Frame *frame, Object *object, Span span);
void execute_write(Elaborator *e, Frame *frame, const Stmt *stmt);
/* The `write` operations of a function that was built. */
void emit_writes(Elaborator *e);

/* training.c */
bool is_optimizer(const Instance *instance);
Object *apply_optimizer(const CallSite *site, Object *optimizer, Actual *arguments, size_t count);
void execute_minimize(Elaborator *e, Frame *frame, const Stmt *stmt);
/* d loss / d wrt: a tensor for a tensor, else a list. */
Object *gradient(const Site *site, Object *loss, Span loss_span, Object *wrt, Span wrt_span);
void elaborate_schedule(Elaborator *e);
void elaborate_runs(Elaborator *e);

/* types.c */
bool is_type_word(const char *name);
bool resolve_type(Elaborator *e, Frame *frame, const Expr *expr, Type *type);
Object *bind_argument(Elaborator *e, Frame *body, const CallSite *site, const Parameter *parameter,
                      const char *callee, Object *value, Span span);
bool check_result(Elaborator *e, Frame *body, Object **result);
bool element_word(const Frame *frame, const char *name, Element *element, bool *is_class);
const PointerTable *parameter_dims(Elaborator *e, const Definition *definition);

/* statements.c */
void execute(Elaborator *e, Frame *frame, const StmtList *list);
/* One value for each target of `a, b = ..` or `a, b <- ..`; false after an error. */
bool evaluate_values(Elaborator *e, Frame *frame, const Stmt *stmt, Object **values);
void bind_target(Elaborator *e, Frame *frame, const Expr *target, Object *value);

/* scan.c */
void execute_scan(Elaborator *e, Frame *frame, const Stmt *stmt);
void execute_emit(Elaborator *e, Frame *frame, const Stmt *stmt);
/* A scan's argument for a value from around it. */
Value *region_bind(Elaborator *e, const Region *region, Value *outer);
bool may_bind_in_scan(Elaborator *e, Frame *frame, const char *path, Span span);

/* entries.c */
/* A model, a train entry, or (FUNCTION_VALUE) a train entry's results outside of training. */
void elaborate_entry(Elaborator *e, const Declaration *declaration, FunctionKind kind);
Object *call_entry(const CallSite *site, Object *entry, Actual *arguments, size_t count);

/* operators.c and others */
typedef struct {
  Site site;
  const Builtin *builtin;
  Object **values; /* one for each parameter of the signature */
  Span *spans;
} BuiltinCall;
typedef Object *BuiltinFunction(BuiltinCall *call);
typedef struct {
  const char *name;
  Object *standard; /* the default; NULL: must be given */
} BuiltinParameter;
struct Builtin {
  const char *name;
  BuiltinFunction *function;
  BuiltinParameter *parameters;
  int parameter_count;
};
void builtins_new(Elaborator *e);
Object *call_builtin(const CallSite *site, const Builtin *builtin, Actual *arguments, size_t count);

#endif
