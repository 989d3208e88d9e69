/* dlc build FILE: an executable, a library, or any stage before it. */
#include "backend/header.h"
#include "backend/link.h"
#include "driver/ir_file.h"
#include "driver/native.h"
#include "driver/output.h"
#include "driver/report.h"
#include "driver/tune.h"
#include "driver/verify.h"
#include "frontend/parse.h"
#include "ir/module_text.h"
#include "runtime/model.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum {
#define KIND(name, prefix, suffix, is_text, meaning) KIND_##name,
#include "driver/kinds.def"
#undef KIND
  KINDS
} Kind;

static const struct {
  const char *name, *prefix, *suffix;
  bool is_text;
} kind_infos[KINDS] = {
#define KIND(name, prefix, suffix, is_text, meaning) {#name, prefix, suffix, is_text},
#include "driver/kinds.def"
#undef KIND
};

typedef struct {
  Session *session;
  Compilation compilation;
  Kind kinds[KINDS];
  int kind_count;
  Native native;
  StageTimes times;
  double started;
} Build;

static bool read_kinds(Build *b) {
  const Options *options = b->session->options;
  if (!option_given(options, OPTION_emit)) {
    b->kinds[b->kind_count++] = KIND_exe;
    return true;
  }
  const char *names[KINDS];
  for (int k = 0; k < KINDS; k++) names[k] = kind_infos[k].name;
  for (size_t i = 0; i < options->values[OPTION_emit].count; i++) {
    const char *name = options->values[OPTION_emit].items[i];
    int found = -1;
    for (int k = 0; k < KINDS; k++)
      if (strcmp(name, names[k]) == 0) found = k;
    if (found < 0) {
      Diagnostic *d = diag_usage(b->session->diagnostics, "no kind '%s' to emit", name);
      const char *near = nearest_name(name, names, KINDS);
      if (near)
        diag_help(d, "--emit %s", near);
      else
        diag_help(d, "exe, lib, shared, obj, header, asm, llvm, loops, ir, ast");
      return false;
    }
    bool again = false;
    for (int k = 0; k < b->kind_count; k++) again = again || b->kinds[k] == (Kind)found;
    if (!again) b->kinds[b->kind_count++] = (Kind)found;
  }
  return true;
}

/* -o names the one output; of several, its folder and name, to which each kind adds its ending.
 * `FOLDER/` gives the folder alone, and leaves the name as it is. */
static const char *output_path(const Build *b, Kind kind) {
  Arena *arena = b->session->arena;
  const char *given = option_text(b->session->options, OPTION_output, NULL);
  bool in_folder = given && *given && given[strlen(given) - 1] == '/';
  if (in_folder) given = arena_format(arena, "%s%s", given, b->compilation.name);
  if (given && b->kind_count == 1 && !in_folder) return given;
  if (!given && b->kind_count == 1 && kind_infos[kind].is_text) return "-";
  const char *name = given ? given : b->compilation.name;
  const char *slash = strrchr(name, '/');
  int folder = slash ? (int)(slash + 1 - name) : 0;
  return arena_format(arena, "%.*s%s%s%s", folder, name, kind_infos[kind].prefix, name + folder,
                      kind_infos[kind].suffix);
}

static bool wants(const Build *b, Kind kind) {
  for (int i = 0; i < b->kind_count; i++)
    if (b->kinds[i] == kind) return true;
  return false;
}

/* The file that the header's functions are in. */
static const char *library_file(const Build *b) {
  static const Kind with[] = {KIND_lib, KIND_shared, KIND_obj};
  for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
    if (!wants(b, with[i])) continue;
    const char *path = output_path(b, with[i]), *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
  }
  return arena_format(b->session->arena, "lib%s.a", b->compilation.name);
}

/* ---- text kinds ---- */

static bool write_ast(Build *b, const char *path, const char *to) {
  Session *session = b->session;
  size_t length;
  const char *message;
  char *bytes = source_read(session->arena, path, 1 << 30, &length, &message);
  int32_t file = sources_add(session->sources, path, path, bytes, bytes ? length : 0);
  if (!bytes) {
    diag_report(session->diagnostics, E0501, (Span){file, 0, 0}, "%s", message);
    return false;
  }
  AstFile *ast =
      parse_file(session->arena, interner_new(session->arena), session->diagnostics, file);
  if (diagnostics_errors(session->diagnostics)) return false;
  Text text = text_new(session->arena);
  ast_print(ast, session->sources, true, &text);
  return output_write(session, to, text_get(&text), text.length);
}

static bool write_text(Build *b, Kind kind) {
  Text text = text_new(b->session->arena);
  const char *to = output_path(b, kind);
  NativeOptions emit = {.form = kind == KIND_asm ? NATIVE_ASSEMBLY : NATIVE_LLVM, .main = true};
  switch (kind) {
  case KIND_asm:
  case KIND_llvm: {
    EmitBytes bytes = native_emit(&b->native, emit);
    return output_write(b->session, to, bytes.bytes, bytes.length);
  }
  case KIND_loops:
    for (size_t n = 0; n < b->native.programs.count; n++)
      for (size_t i = 0; i < b->native.programs.items[n]->kernels.count; i++) {
        loop_print(&text, b->native.programs.items[n]->kernels.items[i]);
        text_char(&text, '\n');
      }
    break;
  case KIND_header: {
    NativeOptions library = {.wrappers = true};
    header_print(&text, b->native.program, native_descriptor(&b->native, library), library_file(b));
    break;
  }
  default: {
    bool locations = !option_given(b->session->options, OPTION_no_locations);
    return ir_file_write(b->session, b->compilation.module, to,
                         (PrintOptions){.locations = locations});
  }
  }
  return output_write(b->session, to, text_get(&text), text.length);
}

/* ---- code ---- */

static bool write_constants(Build *b, const char *folder, const char *output, const char **object) {
  const NativeProgram *p = b->native.program;
  Diagnostics *diagnostics = b->session->diagnostics;
  Arena *arena = b->session->arena;
  *object = NULL;
  if (!p->constants_bytes) return true;
  if (option_given(b->session->options, OPTION_weights_beside)) {
    const char *head = arena_format(arena, "%s%s\n", DLRT_WEIGHTS_MAGIC, b->native.constants_hash);
    return weights_write(arena_format(arena, "%s.weights", output), head, DLRT_WEIGHTS_HEAD,
                         p->constants_bytes, b->native.pieces, b->native.piece_count, diagnostics);
  }
  if (p->constants_bytes > ELF_MOST_BYTES) {
    Diagnostic *d = diag_report(diagnostics, E0608, SPAN_NONE,
                                "%lld bytes of constants do not fit into one program",
                                (long long)p->constants_bytes);
    diag_help(d, "--weights-beside leaves them in a file that the program maps");
    return false;
  }
  *object = arena_format(arena, "%s/constants.o", folder);
  return elf_write(*object, arena_format(arena, "%s_constants", b->native.symbol),
                   p->constants_bytes, b->native.pieces, b->native.piece_count, diagnostics);
}

/* The linking driver would say it in its own words, and late. */
static bool folder_takes_files(Session *session, const char *output) {
  const char *slash = strrchr(output, '/');
  const char *place =
      slash ? arena_string(session->arena, output, (size_t)(slash + 1 - output)) : ".";
  struct stat about;
  bool is_folder = stat(output, &about) == 0 && S_ISDIR(about.st_mode);
  if (is_folder) errno = EISDIR;
  if (!is_folder && access(place, W_OK | X_OK) == 0) return true;
  Span span = {sources_add(session->sources, output, output, NULL, 0), 0, 0};
  diag_report(session->diagnostics, E0603, span, "the file cannot be written: %s", strerror(errno));
  return false;
}

/* Of an architecture without a runtime: the code alone, for a program that brings the runtime. */
static bool write_bare_object(Build *b, Kind kind, const char *output) {
  const Target *target = &b->compilation.target;
  const char *wrong = kind != KIND_obj                     ? kind_infos[kind].name
                      : b->native.program->constants_bytes ? "weights inside an object"
                                                           : NULL;
  if (wrong) {
    Diagnostic *d = diag_report(b->session->diagnostics, E0602, SPAN_NONE, "no %s for %s yet",
                                wrong, target->triple);
    diag_help(d, kind == KIND_obj ? "an object without --weights" : "--emit obj, asm or llvm");
    return false;
  }
  EmitBytes code = native_emit(&b->native, (NativeOptions){.wrappers = true});
  return output_write(b->session, output, code.bytes, code.length);
}

static bool write_code(Build *b, Kind kind, const char *folder) {
  static const LinkForm forms[KINDS] = {[KIND_exe] = LINK_EXECUTABLE,
                                        [KIND_lib] = LINK_STATIC,
                                        [KIND_shared] = LINK_SHARED,
                                        [KIND_obj] = LINK_OBJECT};
  Arena *arena = b->session->arena;
  const char *output = output_path(b, kind);
  if (strcmp(output, "-") == 0) {
    diag_usage(b->session->diagnostics, "%s cannot go to stdout", kind_infos[kind].name);
    return false;
  }
  if (!b->compilation.target.links) return write_bare_object(b, kind, output);
  NativeOptions options = {.main = kind == KIND_exe,
                           .wrappers = kind != KIND_exe,
                           .beside = option_given(b->session->options, OPTION_weights_beside)};
  if (!folder_takes_files(b->session, output)) return false;
  EmitBytes code = native_emit(&b->native, options);
  const char *objects[2] = {arena_format(arena, "%s/%s.o", folder, kind_infos[kind].name), NULL};
  double start = now_ms();
  if (!link_write(objects[0], code.bytes, code.length, b->session->diagnostics)) return false;
  if (!write_constants(b, folder, output, &objects[1])) return false;
  size_t symbol_count = 0;
  const char *const *symbols = program_symbols(
      arena, b->native.programs, native_descriptor(&b->native, options), &symbol_count);
  LinkRequest request = {.form = forms[kind],
                         .output = output,
                         .objects = objects,
                         .object_count = objects[1] ? 2 : 1,
                         .symbols = symbols,
                         .symbol_count = symbol_count};
  bool done = link_program(arena, &request, folder, b->session->diagnostics);
  b->times.link_ms += now_ms() - start;
  return done;
}

static bool write_all(Build *b) {
  bool code =
      wants(b, KIND_exe) || wants(b, KIND_lib) || wants(b, KIND_shared) || wants(b, KIND_obj);
  const char *folder = code ? link_folder(b->session->arena, b->session->diagnostics) : NULL;
  bool done = !code || folder;
  for (int i = 0; i < b->kind_count && done; i++) {
    Kind kind = b->kinds[i];
    bool links = kind == KIND_exe || kind == KIND_lib || kind == KIND_shared || kind == KIND_obj;
    done = links ? write_code(b, kind, folder) : write_text(b, kind);
  }
  if (folder) link_folder_remove(folder);
  return done;
}

static bool after_pass(void *user, const Pass *pass, const PassEffect *effect, Module *module) {
  Build *b = user;
  stage_add(&b->times, pass->name, effect);
  if (option_given(b->session->options, OPTION_verify))
    verify_after(b->session, pass, effect, module);
  return true;
}

static bool entry_is_shown(const Function *function) {
  return function->kind == FUNCTION_MODEL || function->kind == FUNCTION_TRAIN;
}

/* "lenet: model lenet; 61,706 parameters inside; 338 KiB, memory 1.54 MiB, 0.11 s" */
static void say(const Build *b) {
  Session *session = b->session;
  if (session->quiet || !(isatty(2) || session->verbose)) return;
  Text text = text_new(session->arena);
  const char *output = output_path(b, b->kinds[0]);
  text_format(&text, "%s:", output);
  for (size_t i = 0; i < b->native.program->entries.count; i++)
    if (entry_is_shown(b->native.program->entries.items[i].function))
      text_format(&text, "%s %s %s", i ? "," : "",
                  function_kind_names[b->native.program->entries.items[i].function->kind],
                  b->native.program->entries.items[i].function->name);
  int64_t inside = 0, outside = 0;
  for (size_t i = 0; i < b->native.program->tensors.count; i++) {
    const ProgramTensor *t = &b->native.program->tensors.items[i];
    int64_t count = t->bytes / element_infos[t->tensor->type.element].bytes;
    if (t->offset < 0)
      inside += count;
    else
      outside += count;
  }
  if (inside) {
    text_string(&text, "; ");
    text_thousands(&text, inside);
    text_string(&text, " parameters inside");
  }
  const SmallWeights *small = &b->compilation.module->small;
  if (small->tensors)
    text_format(&text, ", %lld weights as %s", (long long)small->tensors,
                small_type_name(small->element));
  if (outside) text_string(&text, "; parameters at run time");
  struct stat status;
  if (stat(output, &status) == 0)
    text_format(&text, "; %lld KiB", (long long)(status.st_size + 1023) / 1024);
  const NativeProgram *program = b->native.program;
  double memory = (double)(program->arena_bytes + program->trip_bytes + program->parameter_bytes);
  text_format(&text, ", memory %.2f MiB, %.2f s\n", memory / 0x1p20, (now_ms() - b->started) / 1e3);
  fputs(text_get(&text), stderr);
}

int command_build(Session *session) {
  Build b = {.session = session, .started = now_ms()};
  if (!read_kinds(&b)) return EXIT_USAGE;
  if (b.kind_count == 1 && b.kinds[0] == KIND_ast) {
    const char *path = session_file(session);
    if (!path) return EXIT_USAGE;
    const char *to = option_text(session->options, OPTION_output, "-");
    return write_ast(&b, path, to) ? EXIT_DONE : EXIT_INPUT;
  }
  if (wants(&b, KIND_ast)) {
    diag_usage(session->diagnostics, "ast is emitted alone");
    return EXIT_USAGE;
  }
  int code;
  if (!compile_open(session, &b.compilation, &code)) return code;
  b.times.elaborate_ms = b.compilation.elaborate_ms;
  Tuning tuning;
  const char *tune = option_text(session->options, OPTION_tune, NULL);
  if (tune && !tune_open(&tuning, &b.compilation, tune)) return EXIT_INPUT;
  if (!compile_passes(&b.compilation, after_pass, &b)) return EXIT_INPUT;
  if (tune && !tune_close(&tuning)) return EXIT_INPUT;
  if (option_given(session->options, OPTION_weights_beside) &&
      !option_given(session->options, OPTION_weights)) {
    Diagnostic *d = diag_usage(session->diagnostics, "--weights-beside wants the weights");
    diag_help(d, "--weights FILE.safetensors --weights-beside");
    return EXIT_USAGE;
  }
  if (!native_is_possible(&b.compilation)) return EXIT_INPUT;
  b.native = native_new(&b.compilation);
  if (!write_all(&b)) return EXIT_INPUT;
  if (option_given(session->options, OPTION_time_passes)) {
    b.times.lower_ms = b.native.lower_ms;
    b.times.kernels = (int)b.native.program->kernels.count;
    b.times.llvm_ms = b.native.llvm_ms;
    b.times.object_ms = b.native.object_ms;
    stage_print(&b.times, stderr, now_ms() - b.started);
  }
  say(&b);
  return EXIT_DONE;
}
