/* runs.h - the commands that a page's `run NAME { .. }` makes.
 *
 *   runs.c         the command: which texts, what is said
 *   runs_open.c    values: which are given, their room, the dims
 *   runs_given.c   values from the command line: texts, numbers, files
 *   runs_call.c    calls of lines, and texts fed to them
 *   runs_write.c   token after token, streamed
 *   runs_beams.c   beam search
 *   choose.c       a token from logits
 *
 * All rows of a call begin alike; beams part them. A text is the tokens of each row, of which the
 * entries have seen the first `seen`. An entry that remembers (it has an index dim, it takes one
 * token at a time, or models write states) is fed what is new; any other is fed the text again, its
 * last tokens.
 */
#ifndef DLRT_RUNS_H
#define DLRT_RUNS_H

#include "runtime/choose.h"
#include "runtime/program.h"
#include "runtime/vocabulary.h"

/* A value of the run. */
typedef struct {
  const char *name;
  const dlrt_port *port; /* that takes it first, or else gives it */
  dlrt_axis axes[DLRT_AXES];
  bool given; /* no line gives it */
  char *data; /* as it is now; the chosen one has none */
  size_t room;
  int64_t shape[DLRT_AXES];
} dlrt_value;

typedef struct {
  const dlrt_entry *entry;
  const dlrt_run_line *line;
  const void **inputs;
  void **outputs; /* rooms; that of a value is changed for its data after a call */
  int64_t *entry_dims, *shapes;
  bool takes_chosen;
  int64_t chosen_output; /* -1: none */
} dlrt_call_line;

typedef struct {
  dlrt_program *program;
  const dlrt_model *model;
  const dlrt_run_plan *run;
  dlrt_context *context;
  dlrt_value *values;
  dlrt_call_line *lines;
  int64_t *dims; /* of the model */
  int64_t rows, row_dim;
  int64_t beams;                     /* of the rows; 1: a token is drawn */
  int64_t source;                    /* the value that the typed text is, or -1: the chosen one */
  int64_t start, end;                /* tokens, or -1 */
  bool remembers;                    /* the repeated line is fed what is new */
  int64_t window;                    /* most tokens of a call of it */
  int64_t classes;                   /* of its logits */
  float *logits;                     /* [rows, classes] */
  int64_t *fed;                      /* [rows, window] */
  int64_t *text, room, length, seen; /* [rows, room], of which `length` are there */
  dlrt_chooser *chooser;
  const char *full; /* why no more can be fed, or NULL */
} dlrt_runner;

/* ---- runs_open.c ---- */
int dlrt_runner_open(dlrt_runner *r, dlrt_program *program);
void dlrt_runner_close(dlrt_runner *r);
/* Reads or writes what models write from call to call. */
bool dlrt_entry_remembers(const dlrt_model *model, const dlrt_entry *entry);

/* ---- runs_given.c ---- */
/* Values that are the same for all texts. */
int dlrt_runner_given(dlrt_runner *r);
/* The tokens of a text, the caller's to free; -1: no memory, or told. */
int64_t dlrt_runner_encode(dlrt_runner *r, const char *text, size_t size, uint32_t **tokens);
/* A text becomes the source's value; 0 or an exit code. */
int dlrt_runner_source(dlrt_runner *r, const uint32_t *tokens, int64_t count);

/* ---- runs_call.c ---- */
/* A new text: states as they were first, lines before the repeated one called, the first tokens
 * fed. Then there are logits. 0 or an exit code. */
int dlrt_runner_begin(dlrt_runner *r, const uint32_t *tokens, int64_t count);
/* How many tokens it can remember; 0: no dim counts them. */
int64_t dlrt_runner_cache(const dlrt_runner *r);
/* Each row's next token (one for each row) is added and fed; r->full says why it could not be. */
int dlrt_runner_go_on(dlrt_runner *r, const int64_t *tokens);
/* Row i goes on from row from[i]: texts, values, states. */
int dlrt_runner_reorder(dlrt_runner *r, const int64_t *from);
/* Without a chosen value: all lines once. */
int dlrt_runner_once(dlrt_runner *r);
/* Room for texts of so many tokens. */
int dlrt_runner_room(dlrt_runner *r, int64_t tokens);

/* ---- runs_write.c ---- */
/* Whole characters alone, and nothing that may become the text to stop at. */
typedef struct {
  const dlrt_runner *runner;
  FILE *to;         /* NULL: kept */
  const char *stop; /* or NULL */
  char *held;       /* not written yet; all of it if `to` is NULL */
  size_t size, room;
  bool first, stopped, failed;
} dlrt_sink;

void dlrt_sink_token(dlrt_sink *sink, int64_t token);
/* Writes what is held; `cut`: but for a character that would have gone on. */
void dlrt_sink_end(dlrt_sink *sink, bool cut);

/* Drawn tokens until one ends the text; *why says what did. */
int dlrt_runner_draw(dlrt_runner *r, dlrt_sink *sink, const char **why);
/* The best text that beams find: its tokens are written to the sink. */
int dlrt_runner_search(dlrt_runner *r, dlrt_sink *sink, const char **why);

enum { DLRT_USUAL_TOKENS = 200 };

#endif
