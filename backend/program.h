/* program.h - a lowered module: what the object file will hold, as plain data.
 *
 * lower.h fills it; emit.h makes code of the kernels, descriptor.h the constant tables of
 * runtime/model.h and the C wrappers, header.h the C header. One kernel may serve many steps.
 */
#ifndef BACKEND_PROGRAM_H
#define BACKEND_PROGRAM_H

#include "backend/loop.h"
#include "backend/target.h"
#include "ir/graph.h"

/* As dlrt_base of runtime/model.h, in the same order. */
typedef enum {
  BASE_ARENA,
  BASE_PARAMETERS,
  BASE_CONSTANTS,
  BASE_INPUT,
  BASE_OUTPUT,
  BASE_CURSOR,
  BASE_TRIP
} OperandBase;

typedef struct {
  OperandBase base;
  int64_t index; /* of an input, an output or a cursor */
  int64_t offset;
} ProgramOperand;

/* An operand that the step writes. */
typedef struct {
  int operand;
  Element element;
  const Dim *count;    /* of its numbers */
  int64_t row, stride; /* of one that is made in its slice of a concat's; else 0 */
} ProgramResult;

typedef struct {
  LoopKernel *kernel;
  const Op *op;                 /* that it is, or a part of (concat, scan) */
  const char *layer;            /* path or function: the profile's row; "" if not known */
  const char *place;            /* "lenet.dl:6:8" */
  const char *algorithm;        /* "dot", "direct", "loop" */
  VEC(ProgramOperand) operands; /* in the order of the kernel's operands */
  const Dim *trips;             /* of the kernel's parallel loop */
  int64_t grain;                /* fewest trips for a thread of its own; 0: never split */
  const Dim *flop, *bytes;      /* NULL: not known */
  VEC(ProgramResult) results;   /* of train entries */
} ProgramStep;

/* What moves on with each trip of a loop: an element of a sequence, a place for what is emitted. */
typedef struct {
  ProgramOperand base; /* of the first element */
  const Dim *stride;   /* in bytes */
} ProgramCursor;

/* Steps that are run again and again: a scan. Outer loops stand before those in them. */
typedef struct {
  size_t first, count; /* steps, with those of loops in it */
  const Dim *trips;
  bool backward; /* cursors begin at the last element */
  bool apart;    /* trips need nothing of each other */
  int64_t test;  /* before this step `condition` is looked at, and false ends; -1: none */
  ProgramOperand condition;
  int first_cursor; /* its number */
  VEC(ProgramCursor) cursors;
} ProgramLoop;

typedef struct {
  const Function *function;
  const char *place;
  VEC(ProgramStep) steps;
  VEC(ProgramLoop) loops;
  VEC(const char *) faults; /* number i + 1 */
  const Dim *flop;          /* of a call */
} ProgramEntry;

/* A piece of the constants: weights, tables. */
typedef struct {
  const Data *data;
  int64_t offset, bytes;
} ProgramConstant;

/* A parameter or state of the context's block, or (offset -1) a constant. */
typedef struct {
  const Tensor *tensor;
  int64_t offset, bytes;
  TensorRole role;
} ProgramTensor;

typedef struct {
  Arena *arena;
  const Module *module;
  Target target;             /* of the kernels */
  const char *name;          /* first part of every symbol */
  VEC(LoopKernel *) kernels; /* each once, names unique */
  VEC(ProgramEntry) entries;
  VEC(ProgramTensor) tensors; /* parameters, then states */
  VEC(ProgramConstant) constants;
  int64_t constants_bytes, parameter_bytes, arena_bytes, scratch_bytes;
  int64_t trip_bytes; /* what a trip makes of a loop whose trips are apart */
  int most_operands, trip_operands;
  int cursors, nesting; /* most at a time; most loops in each other */
  bool has_apart;       /* loops whose trips are apart */
  bool draws; /* random numbers: kernels read the seed and the call's number after the dims */
} NativeProgram;

/* One graph's code for several CPUs, the highest level first: apart from kernels, and how steps are
 * split, all are equal. */
typedef struct {
  NativeProgram **items;
  size_t count;
} NativePrograms;

#endif
