/* What a module has beside functions: its head, files, dims, tensors, the schedule, runs. */
#include "ir/parse.h"

bool parse_source_file(Parser *p) {
  const char *word = NULL, *name;
  Span span = p->token.span;
  if (!parser_any_name(p, &word, "a file's word") || !parser_sign(p, '=')) return false;
  if (p->token.kind != TOKEN_STRING) return parser_expected(p, "a file's name in quotes");
  name = p->token.text;
  parser_advance(p);
  Module *module = p->module;
  if (word == module->name && module->files.count == 1) { /* the module's own */
    module->files.items[0] = name;
    return true;
  }
  if (map_get(&p->files, map_key(word)))
    return parser_fail(p, E0804, span, "two files have the word '%s'", word);
  vec_push(p->arena, &module->files, name);
  vec_push(p->arena, &module->file_words, word);
  map_set(p->arena, &p->files, map_key(word), (void *)(uintptr_t)module->files.count);
  return true;
}

bool parse_dim_declaration(Parser *p) {
  const char *name = NULL;
  int64_t bound = 0;
  Span span = p->token.span;
  if (!parser_word(p, &name, "a dim's name")) return false;
  bool fixed = parser_take_sign(p, '=');
  if (!fixed && !parser_take_sign(p, SIGN_LESS_EQUAL)) return parser_expected(p, "'<=' or '='");
  if (!parser_integer(p, &bound, "a bound")) return false;
  if (bound < 1) return parser_fail(p, E0803, span, "a dim is at least 1");
  if (map_get(&p->dims, map_key(name)))
    return parser_fail(p, E0804, span, "two dims are named '%s'", name);
  Symbol *symbol = dim_symbol_new(p->module->dims, name, fixed ? bound : 1, bound, false);
  map_set(p->arena, &p->dims, map_key(name), symbol);
  return true;
}

bool parse_tensor(Parser *p, TensorKind kind) {
  const char *name = NULL;
  Type type = {0};
  Span span = p->token.span;
  WrittenData written;
  if (!parser_global(p, &name)) return false;
  if (module_tensor(p->module, name))
    return parser_fail(p, E0804, span, "two tensors are named '%s'", name);
  if (!parser_sign(p, ':') || !parse_type(p, &type)) return false;
  Tensor *tensor = module_add_tensor(p->module, kind, name, type, NULL);
  if (parser_take_sign(p, '=')) {
    if (!parse_data(p, &written)) return false;
    if (!(tensor->data = parse_make_data(p, &written, &type))) return false;
  }
  return parse_place(p, NULL, &tensor->place) && parse_location(p, &tensor->at);
}

/* `schedule @critic * 5, @generator`; module_verify knows whether they are there. */
bool parse_schedule(Parser *p) {
  do {
    ScheduledStep step = {.times = 1};
    if (!parser_global(p, &step.entry)) return false;
    if (parser_take_sign(p, '*') && !parser_integer(p, &step.times, "how often it runs"))
      return false;
    vec_push(p->arena, &p->module->schedule, step);
  } while (parser_take_sign(p, ','));
  return true;
}

/* (%token, %s) */
static bool parse_run_values(Parser *p, NameVec *names) {
  if (!parser_sign(p, '(')) return false;
  while (!parser_take_sign(p, ')')) {
    const char *name = NULL;
    if (names->count && !parser_sign(p, ',')) return false;
    if (!parser_any_name(p, &name, "a value's name")) return false;
    vec_push(p->arena, names, name);
  }
  return true;
}

/* `run @generate start 1 end 2 { @next (token) (token) }`; module_verify knows what it means. */
bool parse_run(Parser *p) {
  PageRun run = {.start = -1, .end = -1};
  if (!parser_global(p, &run.name)) return false;
  if (parser_take_word(p, "start") && !parser_integer(p, &run.start, "a token")) return false;
  if (parser_take_word(p, "end") && !parser_integer(p, &run.end, "a token")) return false;
  if (!parser_sign(p, '{')) return false;
  while (!parser_take_sign(p, '}')) {
    RunLine line = {0};
    if (!parser_global(p, &line.entry) || !parse_run_values(p, &line.inputs) ||
        !parse_run_values(p, &line.outputs))
      return false;
    vec_push(p->arena, &run.lines, line);
  }
  vec_push(p->arena, &p->module->runs, run);
  return true;
}

bool parse_head(Parser *p) {
  const char *name = NULL;
  if (!parser_take_word(p, "module")) return parser_expected(p, "'module' and a name");
  if (!parser_any_name(p, &name, "the module's name")) return false;
  p->module->name = name;
  p->module->files.items[0] = arena_format(p->arena, "%s.dl", name);
  if (parser_take_word(p, "after") && !parser_any_name(p, &p->module->after, "a pass"))
    return false;
  if (parser_take_word(p, "ir")) {
    int64_t version = 0;
    Span span = p->token.span;
    if (!parser_integer(p, &version, "a version of the text")) return false;
    if (version != 1)
      return parser_fail(p, E0806, span, "this is graph text %lld, dlc %s reads graph text 1",
                         (long long)version, DLC_VERSION);
  }
  return true;
}
