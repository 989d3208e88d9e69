/* program.h - the command line of a standalone binary, shared by the files of its commands.
 *
 * One table (options.c) holds the options: parsing, help and the nearest name come from it.
 */
#ifndef DLRT_PROGRAM_H
#define DLRT_PROGRAM_H

#include "runtime/bind.h"
#include "runtime/context.h"

#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_INTERRUPT = 130 };

/* Commands are bits, so that an option can say which it belongs to. */
enum {
  COMMAND_PREDICT = 1,
  COMMAND_INFO = 2,
  COMMAND_BENCH = 4,
  COMMAND_PROFILE = 8,
  COMMAND_TRAIN = 32,
  COMMAND_RUN = 128 /* of the page's own */
};
enum { DLRT_COMMANDS_BATCHED = COMMAND_PREDICT | COMMAND_BENCH | COMMAND_PROFILE | COMMAND_TRAIN };
enum { DLRT_COMMANDS_CALLING = DLRT_COMMANDS_BATCHED | COMMAND_RUN };
enum { DLRT_COMMANDS = DLRT_COMMANDS_CALLING | COMMAND_INFO };
/* Of options: for models that draw random numbers alone, for those that know texts. */
enum { COMMAND_DRAWS = 16, COMMAND_TEXT = 64 };

typedef struct {
  dlrt_setting *items;
  int count;
} dlrt_settings;

typedef struct dlrt_program {
  const dlrt_model *model; /* of the CPU level that runs, */
  const dlrt_model *built; /* and of the highest that the program is built for */
  int argc;
  char **argv;
  const char *path, *name; /* as it was called, and the last part of that */
  int command;
  const dlrt_entry *entry;
  int64_t entry_index;
  const dlrt_run_plan *run; /* of COMMAND_RUN */
  const char *text;         /* that was typed for it, or NULL */
  const char *stop;
  double temperature, top_p, length_penalty; /* below 0: not said */
  int64_t token_count, top_k, beams;
  dlrt_settings inputs, dims, norms, validate;
  const char *output, *expect, *classes, *weights, *entry_name, *vocabulary;
  const char *save, *resume, *log, *plot;
  const char *cpu;
  char *kept_inputs, *kept_classes, *kept_vocabulary; /* what parameters were made with, or NULL */
  struct dlrt_vocabulary *tokens;                     /* that texts are read with; NULL: bytes */
  double tolerance;
  int64_t threads, batch, show, seed;
  int64_t epochs, steps, patience, log_every;
  int json, quiet, all, help, streams, pin;
  bool again;   /* these arguments follow those of a checkpoint: the command may be said twice */
  FILE *report; /* where the report goes: stdout, or stderr if results go there */
  bool colour, bar; /* of the report; a progress bar on stderr */
  dlrt_error error;
} dlrt_program;

/* Is the entry one that the command runs: of `train` one of the schedule's, or the one step. */
bool dlrt_is_run(const dlrt_program *program, int64_t entry);
/* What the environment and the terminal have to say. */
void dlrt_look_around(dlrt_program *program);
/* 0, or an exit code after saying what is wrong. */
int dlrt_options_read(dlrt_program *program, int argc, char **argv);
void dlrt_options_free(dlrt_program *program);
/* The options of these commands, one a line. */
void dlrt_options_print(FILE *to, unsigned commands);

/* "adam", from the names of the states that a step keeps; "": none. Into `room`. */
const char *dlrt_optimizer(const dlrt_model *model, const dlrt_entry *entry, char *room,
                           size_t size);
/* "x86-64-v4, x86-64-v3": the CPUs that the program is built for. */
enum { DLRT_CPUS_ROOM = 128 };
void dlrt_cpus_text(const dlrt_model *built, char room[DLRT_CPUS_ROOM]);
/* The one of them that runs, as --cpu, DLC_CPU and the machine have it; NULL: none. */
const dlrt_model *dlrt_level_wanted(const dlrt_program *program);
/* Takes that one: 0, or an exit code after saying what is wrong. */
int dlrt_choose_level(dlrt_program *program);
const char *dlrt_command_name(int command);
const char *dlrt_commands(const dlrt_model *model); /* "predict, info, bench, profile" */

void dlrt_help(const dlrt_program *program, FILE *to);
void dlrt_signature(const dlrt_entry *entry, FILE *to); /* image f32[N,1,28,28] -> out f32[N,10] */

/* The commands; each returns an exit code. */
int dlrt_predict(dlrt_program *program);
int dlrt_info(dlrt_program *program);
int dlrt_bench(dlrt_program *program);
int dlrt_profile(dlrt_program *program);
int dlrt_train(dlrt_program *program);
int dlrt_runs(dlrt_program *program);

/* "lenet: error: .." and the exit code that the status means. */
__attribute__((format(printf, 3, 4))) int dlrt_complain(const dlrt_program *program, int code,
                                                        const char *format, ...);
int dlrt_complain_status(const dlrt_program *program, dlrt_status status, const dlrt_error *error);
void dlrt_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Which threads --pin and DLC_PIN keep on one CPU each. */
dlrt_pinning dlrt_pinning_wanted(const dlrt_program *program);
/* Opens a context with the parameters that --weights names, or that lie beside the program.
 * `needed`: say so and fail if there are none; else they are random. */
int dlrt_program_open(dlrt_program *program, bool needed, dlrt_context **context);
dlrt_request dlrt_program_request(const dlrt_program *program);

bool dlrt_interrupted(void); /* Ctrl-C was pressed, or SIGTERM came */
double dlrt_seconds(void);
/* FLOPs of a step, and the bytes that it moves. */
double dlrt_step_work(const dlrt_step *step, const int64_t *dims, double *bytes);
/* 10000 as "10,000"; into a ring of buffers that a printf's arguments can share. */
const char *dlrt_thousands(int64_t number);
const char *dlrt_bytes_text(double bytes); /* "241.0 KiB" */

/* What --expect compares. */
int dlrt_expect(dlrt_program *program, const dlrt_binding *binding, const dlrt_result *results,
                FILE *json);
/* Draws the first rows of the input that looks like a picture; `labels` and `names` may be NULL. */
int dlrt_show(dlrt_program *program, const dlrt_binding *binding, const dlrt_result *results,
              const int64_t *labels, char *const *names, int64_t name_count);

typedef struct {
  char *text;
  char **names;
  int64_t count;
} dlrt_names;

/* Fills what was kept, of --weights or of the model, and opens the vocabulary. */
int dlrt_kept_read(dlrt_program *program);
/* Of names parted by commas. */
int dlrt_names_split(const dlrt_program *program, const char *text, dlrt_names *names);
int dlrt_names_read(const dlrt_program *program, const char *path, dlrt_names *names);
void dlrt_names_free(dlrt_names *names);
/* A class's name, or its number in `room` (of 24 bytes). */
const char *dlrt_class_name(const dlrt_names *names, int64_t index, char *room);

/* What the machine can do with the context's threads, measured in about 0.2 s. */
typedef struct {
  double flops, memory, cache; /* a second: f32 FLOPs, bytes from memory, bytes from caches */
} dlrt_roof;

void dlrt_roof_measure(dlrt_context *context, dlrt_roof *roof);
/* Its parts, by all of the context's threads; 0: no memory. Multiply-adds with the vectors of at
 * most that x86-64 level; reading `bytes`, of which those that threads share are whole pieces of 64
 * KiB; room for that, which is more than the caches hold. */
double dlrt_roof_flops(dlrt_context *context, int level);
double dlrt_roof_read(dlrt_context *context, void *data, size_t bytes, double budget);
void *dlrt_roof_room(size_t *bytes);

#endif
