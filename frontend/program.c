#include "frontend/program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/standard.h"
#include "support/vec.h"

enum { LONGEST_FILE = 64 << 20, MOST_FILES = 1000 };

typedef struct {
  dev_t device;
  ino_t inode;
  const char *path;
  ProgramFile *file; /* NULL while its imports are being read */
} Loaded;

typedef struct {
  Arena *arena;
  Interner *interner;
  Diagnostics *diagnostics;
  VEC(ProgramFile *) files;
  VEC(Loaded) loaded;
} Loader;

static void load_imports(Loader *loader, ProgramFile *file, const char *path);

/* A file of the text `number`; those that it imports come before it. */
static ProgramFile *add_file(Loader *loader, int32_t number, const char *path, bool standard) {
  ProgramFile *file = ARENA_NEW(loader->arena, ProgramFile);
  int errors = diagnostics_errors(loader->diagnostics);
  file->ast = parse_file(loader->arena, loader->interner, loader->diagnostics, number);
  file->standard = standard;
  for (size_t i = 0; i < file->ast->count; i++) {
    Declaration *declaration = file->ast->items[i];
    const char *name = declaration->name.name;
    if (name && !names_get(&file->declarations, name))
      names_put(loader->arena, &file->declarations, name, declaration);
  }
  if (!standard && diagnostics_errors(loader->diagnostics) == errors)
    load_imports(loader, file, path);
  vec_push(loader->arena, &loader->files, file);
  return file;
}

/* "nets/vgg.dl" and "../blocks.dl" give "blocks.dl". */
static const char *relative_to(Arena *arena, const char *path, const char *import) {
  const char *slash = strrchr(path, '/');
  if (import[0] == '/' || (!slash && strncmp(import, "./", 2))) return import;
  size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
  while (true) {
    if (!strncmp(import, "./", 2)) {
      import += 2;
    } else if (!strncmp(import, "../", 3) && folder > 1) {
      size_t end = folder - 1;
      size_t start = end;
      while (start && path[start - 1] != '/') start--;
      if (end - start == 2 && !strncmp(path + start, "..", 2)) break;
      folder = start;
      import += 3;
    } else {
      break;
    }
  }
  return arena_format(arena, "%.*s%s", (int)folder, path, import);
}

static Loaded *find_loaded(Loader *loader, const struct stat *status) {
  for (size_t i = 0; i < loader->loaded.count; i++) {
    Loaded *loaded = &loader->loaded.items[i];
    if (loaded->device == status->st_dev && loaded->inode == status->st_ino) return loaded;
  }
  return NULL;
}

/* The files from the one that is imported again to the one that does it. */
static void report_circle(Loader *loader, const Loaded *again, Span span) {
  Text way = text_new(loader->arena);
  for (size_t i = (size_t)(again - loader->loaded.items); i < loader->loaded.count; i++)
    if (!loader->loaded.items[i].file) text_format(&way, "%s -> ", loader->loaded.items[i].path);
  text_string(&way, again->path);
  Diagnostic *d = diag_report(loader->diagnostics, E0104, span, "the imports go in a circle");
  diag_label(d, "%s", text_get(&way));
  diag_help(d, "move what both need into a file that imports neither");
}

static ProgramFile *import_file(Loader *loader, const char *from, const Expr *import) {
  const char *path = relative_to(loader->arena, from, import->name);
  struct stat status;
  const char *message = NULL;
  char *bytes = NULL;
  size_t length = 0;
  if (stat(path, &status)) {
    bytes = source_read(loader->arena, path, LONGEST_FILE, &length, &message);
  } else {
    Loaded *loaded = find_loaded(loader, &status);
    if (loaded && loaded->file) return loaded->file;
    if (loaded) {
      report_circle(loader, loaded, import->span);
      return NULL;
    }
    if (loader->loaded.count >= MOST_FILES)
      message = "more than 1,000 files are imported";
    else if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))
      bytes = source_read(loader->arena, path, LONGEST_FILE, &length, &message);
    else
      message = "it is no file";
  }
  if (!bytes) {
    Diagnostic *d =
        diag_report(loader->diagnostics, E0501, import->span, "'%s' cannot be read", path);
    diag_label(d, "%s", message);
    diag_help(d, "a path is relative to the file that imports");
    return NULL;
  }
  int32_t number = sources_add(diagnostics_sources(loader->diagnostics), path, path, bytes, length);
  size_t index = loader->loaded.count;
  vec_push(loader->arena, &loader->loaded, ((Loaded){status.st_dev, status.st_ino, path, NULL}));
  ProgramFile *file = add_file(loader, number, path, false);
  loader->loaded.items[index].file = file;
  return file;
}

static void load_imports(Loader *loader, ProgramFile *file, const char *path) {
  VEC(ProgramFile *) imports = {0};
  for (size_t i = 0; i < file->ast->count; i++) {
    const Declaration *declaration = file->ast->items[i];
    if (declaration->kind != DECLARATION_IMPORT) continue;
    ProgramFile *import = import_file(loader, path, declaration->value);
    bool again = !import;
    for (size_t k = 0; k < imports.count; k++) again |= imports.items[k] == import;
    if (!again) vec_push(loader->arena, &imports, import);
  }
  file->imports = imports.items;
  file->import_count = imports.count;
}

/* DLC_STD is for the library's developers: a folder to read it from instead. */
static void add_standard(Loader *loader) {
  Sources *sources = diagnostics_sources(loader->diagnostics);
  const char *folder = getenv("DLC_STD");
  for (size_t i = 0; i < standard_file_count; i++) {
    StandardFile text = standard_files[i];
    const char *path = NULL, *message;
    if (folder && *folder) {
      path = arena_format(loader->arena, "%s/%s", folder, text.name);
      text.bytes = source_read(loader->arena, path, LONGEST_FILE, &text.length, &message);
      if (!text.bytes) {
        Span span = {sources_add(sources, text.name, path, NULL, 0), 0, 0};
        diag_report(loader->diagnostics, E0501, span, "the file cannot be read: %s", message);
        continue;
      }
    }
    add_file(loader, sources_add(sources, text.name, path, text.bytes, text.length), text.name,
             true);
  }
}

Program *program_load_text(Arena *arena, Interner *interner, Diagnostics *diagnostics,
                           int32_t file) {
  Loader loader = {.arena = arena, .interner = interner, .diagnostics = diagnostics};
  add_standard(&loader);
  Program *program = ARENA_NEW(arena, Program);
  program->standard_count = loader.files.count;
  const Source *source = sources_get(diagnostics_sources(diagnostics), file);
  struct stat status;
  if (source->path && !stat(source->path, &status))
    vec_push(arena, &loader.loaded, ((Loaded){status.st_dev, status.st_ino, source->name, NULL}));
  program->main = add_file(&loader, file, source->path ? source->path : source->name, false);
  program->files = loader.files.items;
  program->count = loader.files.count;
  return program;
}

Program *program_load(Arena *arena, Interner *interner, Diagnostics *diagnostics,
                      const char *path) {
  size_t length;
  const char *message;
  char *bytes = source_read(arena, path, LONGEST_FILE, &length, &message);
  Sources *sources = diagnostics_sources(diagnostics);
  if (!bytes) {
    Span span = {sources_add(sources, path, path, NULL, 0), 0, 0};
    diag_report(diagnostics, E0501, span, "the file cannot be read: %s", message);
    return NULL;
  }
  bool input = !strcmp(path, "-");
  int32_t file = sources_add(sources, input ? "<input>" : path, input ? NULL : path, bytes, length);
  return program_load_text(arena, interner, diagnostics, file);
}

const Declaration *program_find_standard(const Program *program, const char *name,
                                         const ProgramFile **home) {
  for (size_t i = 0; i < program->standard_count; i++) {
    const Declaration *found = names_get(&program->files[i]->declarations, name);
    if (!found) continue;
    if (home) *home = program->files[i];
    return found;
  }
  return NULL;
}

/* Entries, dims and instances stay in their file. */
static bool is_imported(const Declaration *declaration) {
  if (declaration->kind == DECLARATION_CONST) return true;
  if (declaration->kind != DECLARATION_DEFINITION) return false;
  DefinitionKind kind = declaration->definition->kind;
  return kind != DEFINITION_MODEL && kind != DEFINITION_TRAIN;
}

const Declaration *program_find_another(const ProgramFile *from, const char *name) {
  bool found = false;
  if (names_get(&from->declarations, name)) return NULL;
  for (size_t i = 0; i < from->import_count; i++) {
    const Declaration *declaration = names_get(&from->imports[i]->declarations, name);
    if (!declaration || !is_imported(declaration)) continue;
    if (found) return declaration;
    found = true;
  }
  return NULL;
}

const Declaration *program_find(const Program *program, const ProgramFile *from, const char *name,
                                const ProgramFile **home) {
  const Declaration *found = names_get(&from->declarations, name);
  if (found) {
    if (home) *home = from;
    return found;
  }
  for (size_t i = 0; i < from->import_count; i++) {
    found = names_get(&from->imports[i]->declarations, name);
    if (!found || !is_imported(found)) continue;
    if (home) *home = from->imports[i];
    return found;
  }
  return program_find_standard(program, name, home);
}
