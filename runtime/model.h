/* model.h - the contract between generated code and libdlrt.
 *
 * dlc emits one `dlrt_model` for each build, a constant table of entries, steps and tensors; the
 * runtime walks it. Generated code holds kernels and tiny wrappers; whatever can be data is data.
 * Every field is 8 bytes, so that the compiler can emit the structs without knowing C's padding
 * (backend/descriptor.c writes them; bump DLRT_ABI whenever one changes).
 *
 * `dims` is everywhere an array of the values of all the model's dims, by index; those that are not
 * arguments of the entry being called have their minimum.
 *
 * A call runs an entry's steps in order. A step is a kernel and the places of its operands; its
 * trips 0..n are independent of each other and are split over the pool in contiguous ranges, so
 * that results never depend on the number of threads.
 */
#ifndef DLRT_MODEL_H
#define DLRT_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define DLRT_ABI 14

/* How a step's trips are split over threads; NULL in a build for one thread, so that nothing of it
 * is linked. The one there is: `dlrt_pool`, in libdlrt. */
typedef struct dlrt_threading dlrt_threading;
extern const dlrt_threading dlrt_pool;

/* What a program does with texts; NULL where none goes in or comes out, so that nothing of it is
 * linked. The one there is: `dlrt_text_parts`, in libdlrt. */
typedef struct dlrt_texts dlrt_texts;
extern const dlrt_texts dlrt_text_parts;

typedef enum {
  DLRT_F32,
  DLRT_F64,
  DLRT_F16,
  DLRT_BF16,
  DLRT_I8,
  DLRT_U8,
  DLRT_I32,
  DLRT_I64,
  DLRT_BOOL,
  DLRT_ELEMENTS
} dlrt_element;

/* A file's dim that is chosen at every call (fixed ones are constants in the code). */
typedef struct {
  const char *name;
  int64_t min, max;  /* both inclusive */
  const char *place; /* "lenet.dl:2" */
} dlrt_dim;

/* What a step of training learns, what a layer keeps (a batch norm's mean), what an optimizer does,
 * what a model writes from call to call. The first two are the network and are saved; the others go
 * into checkpoints alone. */
typedef enum { DLRT_PARAMETER, DLRT_STATE, DLRT_OPTIMIZER, DLRT_MEMORY } dlrt_tensor_kind;

/* Its shape is fixed (a state with dynamic dims lies at its bound). */
typedef struct {
  const char *name; /* "conv2d_0.weight" */
  int64_t element;  /* dlrt_element */
  int64_t rank;
  const int64_t *shape;
  int64_t bytes;
  int64_t offset; /* in the context's parameter block; -1: a constant inside the object */
  int64_t kind;   /* dlrt_tensor_kind */
  const char *place;
} dlrt_tensor;

/* An input or output of an entry. */
typedef struct {
  const char *name;
  int64_t element, rank;
  const char *type;     /* as declared: "f32[N,1,28,28]" */
  const int64_t *bound; /* shape with every dim at its bound */
} dlrt_port;

/* Where an operand lies. `offset` is in bytes from the base; of inputs, outputs and cursors `index`
 * tells which. */
typedef enum {
  DLRT_ARENA,
  DLRT_PARAMETERS, /* the context's parameter block */
  DLRT_CONSTANTS,  /* the model's constants: in the object, or mapped from the weights file */
  DLRT_INPUT,
  DLRT_OUTPUT,
  DLRT_CURSOR, /* what moves on with each trip of a loop */
  DLRT_TRIP    /* what a trip makes of a loop whose trips are apart: the thread's own memory */
} dlrt_base;

typedef struct {
  int64_t base, index, offset;
} dlrt_operand;

/* What a kernel is given apart from its operands: one for each thread, reused by all steps. */
typedef struct {
  int64_t fault; /* a kernel that meets an index out of range clamps it and stores here the
                    number, from 1, of its place in dlrt_entry.faults; 0: none */
  int64_t thread;
  void *scratch;       /* dlrt_model.scratch_bytes, aligned to 64, uninitialised */
  int64_t index, size; /* of a fault: the index that is farthest out of 0..size */
  char *trip;          /* dlrt_model.trip_bytes */
  void **operands;     /* for max_operands, if the model has loops whose trips are apart */
} dlrt_worker;

/* Computes trips [begin, end). `operands`: resolved pointers, in the step's order; `dims`: values
 * of the model's dims, by their index. */
typedef void dlrt_kernel(void *const *operands, const int64_t *dims, int64_t begin, int64_t end,
                         dlrt_worker *worker);

/* A result of a step: for those who look for the first number that is not finite. */
typedef struct {
  int32_t operand; /* which of the step's */
  int32_t element;
  int32_t row, stride; /* numbers side by side, and from there to the next row; 0: all are */
  int64_t count;       /* of its numbers, or -1: count_of(dims) */
  int64_t (*count_of)(const int64_t *dims);
} dlrt_written;

typedef struct {
  dlrt_kernel *kernel;
  const char *name;  /* the kernel's symbol: "k0_conv_tanh_pool" */
  const char *layer; /* path of the instance or name of the function: "layer2.0.conv1", "tanh" */
  const char *place; /* "lenet.dl:6:8" */
  const char *algorithm; /* "dot", "direct", "loop": for the profile */
  int64_t operand_count;
  const dlrt_operand *operands;
  int64_t trips; /* or -1: trips_of(dims) */
  int64_t (*trips_of)(const int64_t *dims);
  int64_t grain;       /* fewest trips that are worth a thread of their own; 0: never split */
  int64_t flop, bytes; /* the step's arithmetic, and what it moves; or, if dims change that: */
  int64_t (*work)(const int64_t *dims, int64_t *bytes);
  int64_t written_count; /* of train entries; else 0 */
  const dlrt_written *written;
} dlrt_step;

/* The first element is at `base`, the next one `stride` bytes further. */
typedef struct {
  dlrt_operand base;
  int64_t stride;
  int64_t (*stride_of)(const int64_t *dims); /* or NULL: stride */
} dlrt_cursor;

/* Steps that are run again and again, a scan of the graph. Its trips come one after the other; its
 * steps are split over threads as all are. Trips that are apart need nothing of each other: where
 * there are enough, each thread takes whole ones, with cursors and memory of its own. */
typedef struct {
  int64_t first, count; /* steps, with those of loops in it, which stand after it in the table */
  int64_t trips;
  int64_t (*trips_of)(const int64_t *dims); /* or NULL: trips */
  int64_t backward;                         /* 1: cursors go from the last element to the first */
  int64_t apart; /* 1: there are no loops in it, nothing is tested or drawn, nothing can fault */
  int64_t test;  /* before this step the bool at `condition` is looked at; if it is false, the loop
                    ends; -1: all trips are made */
  dlrt_operand condition;
  int64_t first_cursor, cursor_count;
  const dlrt_cursor *cursors;
} dlrt_loop;

enum { DLRT_LOOPS = 8 }; /* most loops in each other */

/* Inequalities and equalities among dims that compiling could not decide. */
typedef struct {
  const char *text; /* "pos + T <= 1024" */
  const char *place;
} dlrt_check;

/* TRAIN: a step, whose first result is the loss. INIT: `init`, first values of all parameters and
 * states; `reset`, of those that models write.
 * VALUE: a step's results outside of training, nothing written; fit_value is that of fit. */
typedef enum {
  DLRT_MODEL_ENTRY,
  DLRT_TRAIN_ENTRY,
  DLRT_INIT_ENTRY,
  DLRT_VALUE_ENTRY
} dlrt_entry_kind;

typedef struct {
  const char *name;
  int64_t kind;
  const char *place;
  int64_t dim_count;   /* the dims that are arguments of the entry, in order of declaration */
  const int64_t *dims; /* their indices into dlrt_model.dims */
  int64_t input_count;
  const dlrt_port *inputs;
  int64_t output_count;
  const dlrt_port *outputs;
  int64_t step_count;
  const dlrt_step *steps;
  /* Writes the shapes of all inputs, then all outputs, one after the other. */
  void (*shapes)(const int64_t *dims, int64_t *shapes);
  int64_t check_count;
  const dlrt_check *checks;
  /* Index of the first check that fails, or -1. */
  int64_t (*failing)(const int64_t *dims);
  int64_t fault_count;
  const char *const *faults; /* "gpt2.dl:38:15: token" */
  int64_t flop;              /* one call with every dim at 1 */
  int64_t loop_count;        /* of steps */
  const dlrt_loop *loops;
} dlrt_entry;

/* The order in which a program's `train` calls its steps: critic * 5, generator. */
typedef struct {
  int64_t entry, times;
} dlrt_scheduled;

/* Of a run, a call of a model. */
typedef struct {
  int64_t entry;
  const int64_t *inputs;  /* of each of the entry's: the number of a value */
  const int64_t *outputs; /* likewise; -1: it is not named */
} dlrt_run_line;

/* `run generate { token, pos -> next -> token }`: a command of the program. Lines are called in
 * order until the repeated one, which is called again and again; those behind it take the rows that
 * were chosen. */
typedef struct {
  const char *name;
  int64_t value_count;
  const char *const *values;
  int64_t line_count;
  const dlrt_run_line *lines;
  int64_t repeated;   /* a line; -1: all are called once */
  int64_t chosen;     /* the value that is picked of what lines give as floats; -1: none */
  int64_t start, end; /* tokens that it begins and ends with; -1: not said */
} dlrt_run_plan;

struct dlrt_program;

typedef struct dlrt_model {
  int64_t abi;
  /* The same of a lower CPU level: other kernels, all else is equal. NULL: there is none. */
  const struct dlrt_model *lower;
  const char *name;        /* first part of every symbol: "lenet" */
  const char *source;      /* "lenet.dl" */
  const char *source_hash; /* sha256, hex */
  const char *version;     /* of dlc */
  const char *cpu;         /* that its kernels are for: "x86-64-v4" */
  int64_t cpu_level;       /* 2, 3, 4: what the machine must have; 5: 4 and AVX512-BF16; 0: not
                              checked */
  int64_t dim_count;
  const dlrt_dim *dims;
  int64_t tensor_count; /* parameters, then states, in text order */
  const dlrt_tensor *tensors;
  int64_t parameter_bytes; /* of the context's block for them */
  int64_t arena_bytes;
  int64_t scratch_bytes; /* a thread */
  int64_t trip_bytes;    /* likewise: what a trip makes of a loop whose trips are apart */
  int64_t trip_operands; /* likewise: max_operands, or 0 if there are no such loops */
  int64_t max_operands;  /* most operands of any step, and the cursors after them */
  int64_t cursors;       /* most at a time */
  int64_t nesting;       /* most loops in each other, at most DLRT_LOOPS */
  int64_t constants_bytes;
  const void *constants; /* NULL: mapped from NAME.weights beside the program */
  const char *constants_hash;
  int64_t thread_limit; /* 0: none */
  int64_t entry_count;
  const dlrt_entry *entries;
  const dlrt_threading *threading; /* &dlrt_pool, or NULL: one thread always */
  /* What the parameters inside were made with, as their file's metadata says; "": nothing. */
  const char *inputs;  /* dlc.inputs: "image=u8 /255 mean 0.286 std 0.353", parted by ';' */
  const char *classes; /* dlc.classes: names parted by ',' */
  /* What of the constants is stored in a smaller type than it has in the text: the type, "bf16" or
   * "int8"; how many tensors, 0: none; their bytes, and those in the text's type. */
  const char *small_type;
  int64_t small_count, small_bytes, small_was;
  /* 1: kernels draw random numbers and find after the dims the seed and the number of the entry's
   * call. */
  int64_t draws;
  int64_t schedule_count; /* 0: not said */
  const dlrt_scheduled *schedule;
  /* What a program does for `train`: dlrt_train, in libdlrt; NULL where nothing trains, so that
   * nothing of it is linked. */
  int (*train)(struct dlrt_program *program);
  const dlrt_texts *texts;
  const char *vocabulary; /* as dlrt_vocabulary_parse reads it; "": none */
  int64_t run_count;
  const dlrt_run_plan *runs;
  /* What a program does for a run: dlrt_runs, in libdlrt; NULL without runs. */
  int (*run)(struct dlrt_program *program);
} dlrt_model;

/* Numbers that a context keeps with the dims, before the trips of the running loops, outermost
 * first: for models that draw also the seed, the number of the running call, and how many calls
 * each entry has had. */
#define DLRT_SLOTS(dim_count, entry_count, draws) ((dim_count) + ((draws) ? 2 + (entry_count) : 0))

/* What a context needs, for the header's NAME_CONTEXT_SIZE(T): DLRT_CONTEXT_BYTES + T *
 * DLRT_THREAD_BYTES. Both are multiples of 64, as the memory's address must be. */
#define DLRT_ALIGN         64
#define DLRT_ROUND(bytes)  (((bytes) + 63) / 64 * 64)
#define DLRT_CONTROL_BYTES 2048
#define DLRT_CONTEXT_BYTES(parameter_bytes, arena_bytes, slots, max_operands)                      \
  (DLRT_CONTROL_BYTES + DLRT_ROUND(8 * (slots)) + DLRT_ROUND(8 * (max_operands)) +                 \
   DLRT_ROUND(parameter_bytes) + DLRT_ROUND(arena_bytes))
#define DLRT_THREAD_BYTES(scratch_bytes, trip_bytes, trip_operands)                                \
  (128 + DLRT_ROUND(scratch_bytes) + DLRT_ROUND(trip_bytes) + DLRT_ROUND(8 * (trip_operands)))

/* NAME.weights, the constants beside a program: DLRT_WEIGHTS_HEAD bytes that begin with
 * DLRT_WEIGHTS_MAGIC, constants_hash (64 hex digits) and a newline, zeros after that; then
 * constants_bytes of data. */
#define DLRT_WEIGHTS_HEAD  4096
#define DLRT_WEIGHTS_MAGIC "dlc weights 1\n"

#endif
