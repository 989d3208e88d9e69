/* compile.h - the way from a file to optimised graph IR, as every command goes it. */
#ifndef DRIVER_COMPILE_H
#define DRIVER_COMPILE_H

#include "backend/target.h"
#include "driver/weights.h"
#include "frontend/elaborate.h"
#include "passes/pass.h"

typedef struct {
  Session *session;
  const char *path; /* the input */
  const char *name; /* the network's: the file's without folder and ending */
  bool is_text_ir;
  Module *module;
  WeightsNotes notes;
  Elaboration extra; /* of a .dl file */
  Target target;     /* the CPU, or of several the highest */
  Target *targets;   /* of --cpu, the highest first */
  size_t target_count;
  PassOptions passes;
  double parse_ms, elaborate_ms;
} Compilation;

/* Reads the options, then the file (.dl or .ir; what it needs, elaborated) and its weights. False
 * after errors; *code is the exit code for them. */
bool compile_open(Session *session, Compilation *compilation, int *code);
/* The same of graph text for `opt`, whose CPU is x86-64-v3 where none is named. */
bool compile_open_text(Session *session, Compilation *compilation, int *code);
/* Runs the default pipeline. */
bool compile_passes(Compilation *compilation, PassCallback *callback, void *user);

double now_ms(void);

#endif
