#include "driver/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const OptionInfo option_infos[] = {
#define OPTION(id, spelling, argument, commands, kind, meaning)                                    \
  {OPTION_##id, spelling, argument, commands, OPTION_##kind, meaning},
#define SPELLING(id, spelling, argument, commands, kind)                                           \
  {OPTION_##id, spelling, argument, commands, OPTION_##kind, NULL},
#include "driver/options.def"
#undef OPTION
#undef SPELLING
};
const int option_info_count = sizeof option_infos / sizeof *option_infos;

bool option_given(const Options *options, OptionId id) {
  return options->values[id].count > 0;
}

const char *option_text(const Options *options, OptionId id, const char *otherwise) {
  return option_given(options, id) ? vec_last(&options->values[id]) : otherwise;
}

const char *option_joined(Arena *arena, const Options *options, OptionId id) {
  Text text = text_new(arena);
  for (size_t i = 0; i < options->values[id].count; i++)
    text_format(&text, "%s%s", i ? "," : "", options->values[id].items[i]);
  return text_get(&text);
}

bool assignment_split(Arena *arena, const char *text, Assignment *assignment) {
  const char *equals = strchr(text, '=');
  if (!equals || equals == text) return false;
  assignment->name = arena_string(arena, text, (size_t)(equals - text));
  assignment->value = equals + 1;
  return true;
}

bool option_integer(Diagnostics *diagnostics, const char *what, const char *text, int64_t least,
                    int64_t most, int64_t *value) {
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (end == text || *end || errno || number < least || number > most) {
    diag_usage(diagnostics, "%s is '%s', not a number from %lld to %lld", what, text,
               (long long)least, (long long)most);
    return false;
  }
  *value = number;
  return true;
}

/* The option that `argument` spells for this command; *value is what is joined to it, or NULL. */
static const OptionInfo *find(CommandName command, const char *argument, const char **value) {
  *value = NULL;
  for (int i = 0; i < option_info_count; i++) {
    const OptionInfo *info = &option_infos[i];
    size_t length = strlen(info->spelling);
    if (!(info->commands & 1u << command) || strncmp(argument, info->spelling, length) != 0)
      continue;
    const char *rest = argument + length;
    if (!*rest) return info;
    bool is_long = info->spelling[1] == '-';
    if (is_long && *rest == '=') {
      *value = rest + 1;
      return info;
    }
    if (!is_long && info->kind != OPTION_FLAG) {
      *value = rest;
      return info;
    }
  }
  return NULL;
}

static void unknown(Arena *arena, Diagnostics *diagnostics, CommandName command,
                    const char *argument) {
  const char *equals = strchr(argument, '=');
  const char *name = equals ? arena_string(arena, argument, (size_t)(equals - argument)) : argument;
  Diagnostic *d = diag_usage(diagnostics, "no option '%s'", name);
  const char *candidates[64];
  size_t count = 0;
  for (int i = 0; i < option_info_count && count < 64; i++)
    if (option_infos[i].commands & 1u << command) candidates[count++] = option_infos[i].spelling;
  const char *near = nearest_name(name, candidates, count);
  for (int i = 0; near && i < option_info_count; i++)
    if (option_infos[i].spelling == near) {
      diag_help(d, "%s%s%s", near, *option_infos[i].argument ? " " : "", option_infos[i].argument);
      break;
    }
}

static void add_list(Arena *arena, Options *options, OptionId id, const char *value) {
  for (;;) {
    const char *comma = strchr(value, ',');
    size_t length = comma ? (size_t)(comma - value) : strlen(value);
    if (length) vec_push(arena, &options->values[id], arena_string(arena, value, length));
    if (!comma) return;
    value = comma + 1;
  }
}

/* What --memory may be followed by; another word is the file. */
static bool is_form(const char *word) {
  return strcmp(word, "text") == 0 || strcmp(word, "svg") == 0;
}

Options *options_read(Arena *arena, Diagnostics *diagnostics, CommandName command, int count,
                      char **arguments) {
  Options *options = ARENA_NEW(arena, Options);
  options->command = command;
  bool only_names = false;
  for (int i = 0; i < count; i++) {
    const char *argument = arguments[i], *value;
    if (only_names || argument[0] != '-' || !argument[1]) {
      Assignment assignment;
      if (!only_names && assignment_split(arena, argument, &assignment))
        vec_push(arena, &options->assignments, assignment);
      else
        vec_push(arena, &options->files, argument);
      continue;
    }
    if (strcmp(argument, "--") == 0) {
      only_names = true;
      continue;
    }
    const OptionInfo *info = find(command, argument, &value);
    if (!info) {
      unknown(arena, diagnostics, command, argument);
      continue;
    }
    if (info->kind == OPTION_FLAG) {
      if (value) diag_usage(diagnostics, "option '%s' takes no value", info->spelling);
      vec_push(arena, &options->values[info->id], "");
      continue;
    }
    if (!value && info->id == OPTION_memory && !(i + 1 < count && is_form(arguments[i + 1])))
      value = "text"; /* the one option that needs none */
    if (!value && i + 1 < count) value = arguments[++i];
    if (!value) {
      diag_usage(diagnostics, "option '%s' wants %s", info->spelling, info->argument);
      continue;
    }
    if (info->kind == OPTION_LIST)
      add_list(arena, options, info->id, value);
    else
      vec_push(arena, &options->values[info->id], value);
  }
  return options;
}
