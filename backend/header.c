/* header.c - the text of NAME.h. */
#include "backend/header.h"

#include "backend/interface.h"

#include <ctype.h>
#include <string.h>

typedef struct {
  Text *text;
  Arena *arena;
  const NativeProgram *program;
  DescriptorOptions options;
  const char *upper;        /* LENET */
  const char *library;      /* liblenet.a */
  VEC(const char *) macros; /* those of sizes that are defined */
} Writer;

enum { WIDTH = 100, ALIGN = 64, CONTROL_BYTES = 2048, SLOT_BYTES = 128 };

static const char *const c_types[ELEMENTS] = {
    [ELEMENT_f32] = "float",     [ELEMENT_f64] = "double",  [ELEMENT_f16] = "uint16_t",
    [ELEMENT_bf16] = "uint16_t", [ELEMENT_i8] = "int8_t",   [ELEMENT_u8] = "uint8_t",
    [ELEMENT_i32] = "int32_t",   [ELEMENT_i64] = "int64_t", [ELEMENT_bool] = "uint8_t"};

static bool has(const Writer *w, const char *name) {
  return wrapper_is_made(w->program, w->options, name);
}

static int64_t aligned(int64_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

void context_size(const NativeProgram *p, int64_t *fixed, int64_t *each) {
  int64_t slots = dim_symbol_count(p->module->dims);
  if (p->draws) slots += 2 + (int64_t)p->entries.count;
  slots += p->nesting;
  *fixed = CONTROL_BYTES + aligned(8 * slots) + aligned(8 * (int64_t)p->most_operands) +
           aligned(p->parameter_bytes) + aligned(p->arena_bytes);
  *each = SLOT_BYTES + aligned(p->scratch_bytes) + aligned(p->trip_bytes) +
          aligned(8 * (int64_t)p->trip_operands);
}

static const char *upper(Arena *arena, const char *name) {
  char *copy = arena_string(arena, name, strlen(name));
  for (char *c = copy; *c; c++) *c = isalnum((unsigned char)*c) ? (char)toupper(*c) : '_';
  return copy;
}

static int dims_of(Writer *w, const ProgramEntry *entry, const Symbol ***dims) {
  int most = dim_symbol_count(w->program->module->dims) + (int)entry->function->dims.count;
  *dims = ARENA_ARRAY(w->arena, (size_t)most + 1, const Symbol *);
  return entry_dims(w->program, entry, *dims);
}

static bool is_input(const Function *f, const char *name) {
  for (int i = 0; i < f->body->argument_count; i++)
    if (strcmp(f->body->arguments[i]->name, name) == 0) return true;
  return false;
}

/* A result may have an input's name: h -> h. */
static const char *result_name(Writer *w, const Function *f, size_t result) {
  const char *name = f->results.items[result].name;
  return is_input(f, name) ? arena_format(w->arena, "%s_out", name) : name;
}

/* What the entry's parameters are called in C, dims, inputs, results, no two alike. */
static const char **parameter_names(Writer *w, const ProgramEntry *entry, const Symbol **dims,
                                    int dim_count) {
  const Function *f = entry->function;
  int inputs = f->body->argument_count, count = dim_count + inputs + (int)f->results.count;
  const char **names = ARENA_ARRAY(w->arena, (size_t)count + 1, const char *);
  for (int i = 0; i < count; i++) {
    int input = i - dim_count, result = input - inputs;
    names[i] = c_name(w->arena, input < 0    ? dims[i]->name
                                : result < 0 ? f->body->arguments[input]->name
                                             : result_name(w, f, (size_t)result));
    for (int k = 0; k < i; k++)
      if (strcmp(names[k], names[i]) == 0) {
        names[i] = arena_format(w->arena, "%s_", names[i]);
        k = -1;
      }
  }
  return names;
}

/* ---- the comment at the top ---- */

static void print_port(Writer *w, const char *name, const Type *type, bool more) {
  text_format(w->text, "%s ", name);
  type_print(w->text, type);
  if (more) text_string(w->text, ", ");
}

/* "train fit", so wide that all stand in one column. */
static size_t head_width(Writer *w) {
  size_t width = strlen("parameters");
  for (size_t i = 0; i < w->program->entries.count; i++) {
    const Function *f = w->program->entries.items[i].function;
    size_t length = strlen(function_kind_names[f->kind]) + 1 + strlen(f->name);
    if (f->kind != FUNCTION_INIT && length > width) width = length;
  }
  return width;
}

static void print_head(Writer *w, const char *head) {
  text_format(w->text, " *   %-*s   ", (int)head_width(w), head);
}

static void print_signature(Writer *w, const ProgramEntry *entry) {
  const Function *f = entry->function;
  print_head(w, arena_format(w->arena, "%s %s", function_kind_names[f->kind], f->name));
  for (int i = 0; i < f->body->argument_count; i++) {
    const Value *input = f->body->arguments[i];
    print_port(w, input->name, &input->type, i + 1 < f->body->argument_count);
  }
  text_string(w->text, f->body->argument_count ? " -> " : "-> ");
  for (size_t i = 0; i < f->results.count; i++)
    print_port(w, f->results.items[i].name, &f->results.items[i].type, i + 1 < f->results.count);
  const char *optimizer = f->kind == FUNCTION_TRAIN ? function_optimizer(f) : NULL;
  if (optimizer) text_format(w->text, "   %s", optimizer);
  text_char(w->text, '\n');
}

/* All dims that any entry takes, each once, in the table's order. */
static int all_dims(Writer *w, const Symbol ***dims) {
  DimTable *table = w->program->module->dims;
  int symbols = dim_symbol_count(table), count = 0;
  *dims = ARENA_ARRAY(w->arena, (size_t)symbols + 1, const Symbol *);
  for (int i = 0; i < symbols; i++) {
    bool used = false;
    for (size_t n = 0; n < w->program->entries.count; n++) {
      const Symbol **own;
      int own_count = dims_of(w, &w->program->entries.items[n], &own);
      for (int k = 0; k < own_count; k++) used |= own[k] == dim_symbol_at(table, i);
    }
    if (used) (*dims)[count++] = dim_symbol_at(table, i);
  }
  return count;
}

static void print_summary(Writer *w) {
  const NativeProgram *p = w->program;
  const Symbol **dims;
  int count = all_dims(w, &dims);
  if (count) print_head(w, "dims");
  for (int i = 0; i < count; i++)
    text_format(w->text, "%lld <= %s <= %lld%s", (long long)dims[i]->min, dims[i]->name,
                (long long)dims[i]->max, i + 1 < count ? ", " : "; chosen at every call\n");
  int64_t tensors = 0, numbers = 0, bytes = 0;
  for (size_t i = 0; i < p->tensors.count; i++) {
    if (p->tensors.items[i].tensor->kind != TENSOR_PARAM) continue;
    tensors++;
    bytes += p->tensors.items[i].bytes;
    numbers +=
        p->tensors.items[i].bytes / element_infos[p->tensors.items[i].tensor->type.element].bytes;
  }
  print_head(w, "parameters");
  text_thousands(w->text, tensors);
  text_string(w->text, tensors == 1 ? " tensor, " : " tensors, ");
  text_thousands(w->text, numbers);
  text_string(w->text, " numbers, ");
  text_thousands(w->text, bytes);
  text_string(w->text, " bytes; ");
  if (program_has_variables(p))
    text_format(w->text, "0 until %s%s%s_load\n", has(w, "init") ? p->name : "",
                has(w, "init") ? "_init or " : "", p->name);
  else if (w->options.beside)
    text_format(w->text, "in %s.weights, which %s_load maps\n", p->name, p->name);
  else
    text_string(w->text, "inside, constants\n");
  const SmallWeights *small = &p->module->small;
  if (small->tensors == 0) return;
  print_head(w, "stored");
  text_thousands(w->text, small->tensors);
  text_format(w->text, " of them as %s, ", small_type_name(small->element));
  text_thousands(w->text, small->bytes);
  text_string(w->text, " bytes for ");
  text_thousands(w->text, small->was);
  text_string(w->text, small->products ? "; multiplied by pairs, summed in f32\n"
                                       : "; computed with in f32\n");
}

static void print_top(Writer *w) {
  const char *name = w->program->name;
  text_format(w->text,
              "/* %s.h - made by dlc " DLC_VERSION " from %s; do not edit. C11; link %s -lm "
              "-lpthread\n *\n",
              name, w->options.source, w->library);
  for (size_t i = 0; i < w->program->entries.count; i++)
    if (entry_is_called(&w->program->entries.items[i]))
      print_signature(w, &w->program->entries.items[i]);
  print_summary(w);
  text_string(
      w->text,
      " *\n * Tensors are dense, row-major, the caller's, aligned to their element, and do not "
      "overlap. All a\n * model remembers is in its context, which serves one call at a time; "
      "several run side by side.\n");
  text_format(w->text, " * Only %s_open allocates", name);
  if (program_has_variables(w->program))
    text_format(w->text, ", only %s_load and %s_save open files; entries do neither. */\n", name,
                name);
  else if (wrapper_is_made(w->program, w->options, "load"))
    text_format(w->text, ", only %s_load opens a file; entries do neither. */\n", name);
  else
    text_string(w->text, ". */\n");
  text_format(w->text,
              "#ifndef %s_H\n#define %s_H\n#include <stddef.h>\n#include <stdint.h>\n"
              "#ifdef __cplusplus\nextern \"C\" {\n#endif\n",
              w->upper, w->upper);
}

/* ---- sizes ---- */

/* A name that no other macro has: entries f and F, inputs x and X. */
static const char *macro_name(Writer *w, const char *prefix, const char *name) {
  const char *macro = arena_format(w->arena, "%s_%s_SIZE", prefix, upper(w->arena, name));
  for (size_t i = 0; i < w->macros.count; i++)
    if (strcmp(w->macros.items[i], macro) == 0) {
      macro = arena_format(w->arena, "%s_", macro);
      i = (size_t)-1;
    }
  vec_push(w->arena, &w->macros, macro);
  return macro;
}

/* As C computes it from whatever expressions the macro is given. */
static void print_dim(Writer *w, Text *text, const Dim *dim) {
  Text plain = text_new(w->arena);
  dim_print(&plain, dim);
  const char *at = text_get(&plain);
  while (*at) {
    size_t length = 0;
    while (isalnum((unsigned char)at[length]) || at[length] == '_') length++;
    if (!length)
      text_char(text, *at++);
    else if (isdigit((unsigned char)*at))
      text_format(text, "%.*s", (int)length, at);
    else
      text_format(text, "(int64_t)(%s)", c_name(w->arena, arena_string(w->arena, at, length)));
    at += length;
  }
}

static void print_size(Writer *w, const char *prefix, const char *name, const Type *type) {
  const Dim *count = type_count(w->program->module->dims, type);
  if (!count) return;
  Text line = text_new(w->arena);
  text_format(&line, "#define %s", macro_name(w, prefix, name));
  bool first = true;
  for (int i = 0; i < dim_symbol_count(w->program->module->dims); i++) {
    const Symbol *symbol = dim_symbol_at(w->program->module->dims, i);
    if (!dim_uses(count, symbol)) continue;
    text_format(&line, "%s%s", first ? "(" : ", ", c_name(w->arena, symbol->name));
    first = false;
  }
  if (!first) text_char(&line, ')');
  int64_t bytes = element_infos[type->element].bytes;
  const DimTerm *terms;
  int term_count = dim_terms(count, &terms);
  bool is_product = term_count == 1;
  for (int i = 0; is_product && i < terms[0].factor_count; i++)
    is_product = terms[0].factors[i].symbol != NULL;
  text_format(&line, " ((size_t)%lld",
              (long long)(is_product ? bytes * terms[0].coefficient : bytes));
  for (int i = 0; is_product && i < terms[0].factor_count; i++)
    text_format(&line, " * (%s)", c_name(w->arena, terms[0].factors[i].symbol->name));
  if (!is_product) {
    text_string(&line, " * (size_t)(");
    print_dim(w, &line, count);
    text_char(&line, ')');
  }
  text_char(&line, ')');
  text_pad(&line, 54, 1);
  text_format(&line, "/* bytes of %s */\n", type_text(w->arena, type));
  text_string(w->text, text_get(&line));
}

static void print_sizes(Writer *w) {
  const NativeProgram *p = w->program;
  int64_t fixed, each;
  context_size(p, &fixed, &each);
  text_format(w->text, "#define %s_ALIGN %d\n", w->upper, ALIGN);
  int64_t states = 0;
  for (size_t i = 0; i < p->tensors.count; i++)
    if (p->tensors.items[i].offset >= 0 && p->tensors.items[i].tensor->kind == TENSOR_STATE)
      states += aligned(p->tensors.items[i].bytes);
  text_format(
      w->text,
      "/* %lld parameters, %lld states, %lld arena; for each of T threads control and scratch "
      "*/\n#define %s_CONTEXT_SIZE(T) ((size_t)%lld + (size_t)%lld * (size_t)(T))\n",
      (long long)(p->parameter_bytes - states), (long long)states, (long long)p->arena_bytes,
      w->upper, (long long)fixed, (long long)each);
  const Symbol **dims;
  int count = all_dims(w, &dims);
  for (int i = 0; i < count; i++)
    text_format(w->text, "#define %s_MAX_%s %lld\n", w->upper, upper(w->arena, dims[i]->name),
                (long long)dims[i]->max);
  for (size_t i = 0; i < p->entries.count; i++) {
    const ProgramEntry *entry = &p->entries.items[i];
    if (entry->function->kind == FUNCTION_VALUE) continue; /* its step's */
    const char *prefix = upper(w->arena, entry_symbol(w->arena, p, entry));
    const Function *f = entry->function;
    for (int k = 0; k < f->body->argument_count; k++)
      print_size(w, prefix, f->body->arguments[k]->name, &f->body->arguments[k]->type);
    for (size_t k = 0; k < f->results.count; k++)
      print_size(w, prefix, result_name(w, f, k), &f->results.items[k].type);
  }
}

/* ---- functions ---- */

static void print_types(Writer *w) {
  static const char *const states[] = {"OK",           "BAD_DIM",   "BAD_INDEX",
                                       "BAD_ARGUMENT", "NO_MEMORY", "NO_FILE",
                                       "BAD_FILE",     "NO_SPACE",  "BAD_CPU"};
  const char *name = w->program->name;
  text_string(w->text, "typedef enum {\n  ");
  size_t column = 2;
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
    const char *state = arena_format(w->arena, "%s_%s%s", w->upper, states[i],
                                     i + 1 < sizeof states / sizeof states[0] ? "," : "");
    if (column + strlen(state) > WIDTH - 2) {
      text_string(w->text, "\n  ");
      column = 2;
    }
    text_format(w->text, "%s%s", column > 2 ? " " : "", state);
    column += strlen(state) + 1;
  }
  text_format(w->text, "\n} %s_status;\ntypedef struct %s_context %s_context;\n", name, name, name);
  text_format(w->text,
              "typedef struct { const char *name, *type; void *data; int rank; int64_t dims[8]; } "
              "%s_tensor;\n",
              name);
}

static void wrap(Writer *w, const char *start, const char *const *items, size_t count) {
  Text line = text_new(w->arena);
  text_string(&line, start);
  size_t indent = strlen(start);
  for (size_t i = 0; i < count; i++) {
    const char *end = i + 1 < count ? "," : ");";
    if (text_column(&line) + strlen(items[i]) + strlen(end) + 1 > WIDTH && i > 0) {
      text_char(&line, '\n');
      text_pad(&line, indent, 0);
    } else if (i > 0) {
      text_char(&line, ' ');
    }
    text_format(&line, "%s%s", items[i], end);
  }
  text_format(w->text, "%s\n", text_get(&line));
}

/* Words in lines of WIDTH. */
static void comment(Writer *w, const char *words) {
  size_t column = 2;
  text_string(w->text, "/*");
  while (*words) {
    size_t length = strcspn(words, " ");
    if (column + 1 + length > WIDTH - 3) {
      text_string(w->text, "\n *");
      column = 2;
    }
    text_format(w->text, " %.*s", (int)length, words);
    column += 1 + length;
    words += length + (words[length] == ' ');
  }
  text_string(w->text, " */\n");
}

static void print_entry(Writer *w, const ProgramEntry *entry) {
  const NativeProgram *p = w->program;
  const Function *f = entry->function;
  const Symbol **dims;
  int count = dims_of(w, entry, &dims);
  Text about = text_new(w->arena);
  const char *slash = strrchr(entry->place, '/');
  text_format(&about, "%s %s (%s)", function_kind_names[f->kind], f->name,
              slash ? slash + 1 : entry->place);
  if (f->kind == FUNCTION_TRAIN && f->results.count)
    text_format(&about, ": one step; '%s' is of before it", f->results.items[0].name);
  else if (f->kind == FUNCTION_VALUE)
    text_string(&about, ": the step's results, outside of training; nothing is learnt");
  for (int i = 0; i < count; i++)
    text_format(&about, "%s%s is not %lld to %lld", i ? ", or " : ". BAD_DIM: ", dims[i]->name,
                (long long)dims[i]->min, (long long)dims[i]->max);
  if (count) text_string(&about, "; nothing was written");
  if (entry->faults.count)
    text_format(&about,
                ". BAD_INDEX: an index is out of its range; results are to be thrown away%s",
                f->kind == FUNCTION_TRAIN ? ", nothing was learnt" : "");
  text_char(&about, '.');
  comment(w, text_get(&about));
  const char **names = parameter_names(w, entry, dims, count);
  VEC(const char *) items = {0};
  vec_push(w->arena, &items, arena_format(w->arena, "%s_context *net", p->name));
  for (int i = 0; i < count; i++)
    vec_push(w->arena, &items, arena_format(w->arena, "int64_t %s", *names++));
  for (int i = 0; i < f->body->argument_count; i++) {
    const Value *input = f->body->arguments[i];
    vec_push(w->arena, &items,
             arena_format(w->arena, "const %s *%s", c_types[input->type.element], *names++));
  }
  for (size_t i = 0; i < f->results.count; i++) {
    const Result *result = &f->results.items[i];
    vec_push(w->arena, &items,
             arena_format(w->arena, "%s *%s", c_types[result->type.element], *names++));
  }
  wrap(w, arena_format(w->arena, "%s_status %s(", p->name, entry_symbol(w->arena, p, entry)),
       items.items, items.count);
}

static void print_functions(Writer *w) {
  const char *n = w->program->name;
  text_format(
      w->text,
      "/* 'memory': %s_CONTEXT_SIZE(threads) bytes aligned to %s_ALIGN, or NULL to allocate "
      "them. At\n * most 'threads' threads, 0 (with NULL only): all of the machine. close "
      "ends them and frees what\n * open allocated. */\n"
      "%s_status %s_open(%s_context **net, void *memory, int threads);\n"
      "void %s_close(%s_context *net);\n",
      w->upper, w->upper, n, n, n, n, n);
  for (size_t i = 0; i < w->program->entries.count; i++)
    if (entry_is_called(&w->program->entries.items[i]))
      print_entry(w, &w->program->entries.items[i]);
  if (has(w, "init"))
    text_format(w->text,
                "/* Parameters, states and random counters to their first values. */\n"
                "%s_status %s_init(%s_context *net, uint64_t seed);\n",
                n, n, n);
  if (has(w, "reset"))
    text_format(w->text,
                "/* Those states alone that a model writes. */\n"
                "%s_status %s_reset(%s_context *net);\n",
                n, n, n);
  if (has(w, "save"))
    text_format(w->text,
                "/* Parameters and layers' states from safetensors, all names or no change (and "
                "optimizers' that\n * are there); parameters and layers' states to a file, whole "
                "or not. */\n%s_status %s_load(%s_context *net, const char *path);\n"
                "%s_status %s_save(%s_context *net, const char *path);\n",
                n, n, n, n, n, n);
  else if (has(w, "load"))
    text_format(w->text,
                "/* Maps %s.weights and checks that it is of this build. */\n"
                "%s_status %s_load(%s_context *net, const char *path);\n",
                n, n, n, n);
  if (has(w, "seed"))
    text_format(w->text,
                "/* Random numbers begin anew; 0 after open. */\n"
                "void %s_seed(%s_context *net, uint64_t seed);\n",
                n, n);
  text_format(w->text,
              "/* Tensors in place, by number (parameters, then states, in text order) or by name. "
              "*/\nint %s_count(void);\n"
              "%s_status %s_at(%s_context *net, int index, %s_tensor *tensor);\n"
              "%s_status %s_find(%s_context *net, const char *name, %s_tensor *tensor);\n",
              n, n, n, n, n, n, n, n, n);
  text_format(
      w->text,
      "const char *%s_text(%s_status status);         /* \"a dim is out of its bounds\" */\n"
      "const char *%s_detail(const %s_context *net);  /* which, and where; net may be NULL "
      "*/\n",
      n, n, n, n);
}

void header_print(Text *text, const NativeProgram *program, DescriptorOptions options,
                  const char *library) {
  Writer w = {.text = text,
              .arena = text->arena,
              .program = program,
              .options = options,
              .library = library};
  w.upper = upper(text->arena, program->name);
  print_top(&w);
  print_sizes(&w);
  print_types(&w);
  print_functions(&w);
  text_string(text, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}
