/* options.h - the command line, read by the tables commands.def and options.def.
 *
 * `--opt V` is `--opt=V`; `-DC=10` is `-D C=10`, `-O2` is `-O 2`; lists take commas; the last one
 * wins unless it may be repeated; `--` ends options; what holds a '=' and no dash is an assignment.
 */
#ifndef DRIVER_OPTIONS_H
#define DRIVER_OPTIONS_H

#include "support/diag.h"
#include "support/vec.h"

typedef enum {
#define COMMAND(name, group, arguments, meaning) COMMAND_##name,
#include "driver/commands.def"
#undef COMMAND
  COMMANDS
} CommandName;

enum {
#define COMMAND(name, group, arguments, meaning) FOR_##name = 1 << COMMAND_##name,
#include "driver/commands.def"
#undef COMMAND
};

typedef enum {
#define OPTION(id, spelling, argument, commands, kind, meaning) OPTION_##id,
#define SPELLING(id, spelling, argument, commands, kind)
#include "driver/options.def"
#undef OPTION
#undef SPELLING
  OPTION_IDS
} OptionId;

typedef enum { OPTION_FLAG, OPTION_ONE, OPTION_LIST, OPTION_MANY } OptionKind;

typedef struct {
  OptionId id;
  const char *spelling, *argument;
  unsigned commands;
  OptionKind kind;
  const char *meaning; /* NULL: another spelling */
} OptionInfo;
extern const OptionInfo option_infos[];
extern const int option_info_count;

typedef struct {
  const char *name, *value;
} Assignment;

typedef struct {
  CommandName command;
  VEC(const char *) values[OPTION_IDS]; /* of a flag: "" */
  VEC(const char *) files;              /* what has no dash and no '=' */
  VEC(Assignment) assignments;          /* input=FILE, lr=0.1, pos=3 */
} Options;

/* Reads the arguments after the command's name; mistakes become diagnostics (exit code 2). */
Options *options_read(Arena *arena, Diagnostics *diagnostics, CommandName command, int count,
                      char **arguments);

bool option_given(const Options *options, OptionId id);
const char *option_text(const Options *options, OptionId id, const char *otherwise);
/* All values with commas between. */
const char *option_joined(Arena *arena, const Options *options, OptionId id);
/* NAME=VALUE at its first '='; false if there is none or the name is empty. */
bool assignment_split(Arena *arena, const char *text, Assignment *assignment);
/* A whole number in [least, most]; else a usage diagnostic that names `what`. */
bool option_integer(Diagnostics *diagnostics, const char *what, const char *text, int64_t least,
                    int64_t most, int64_t *value);

#endif
