/* elf.c - an object file of one data section, written in the order of its bytes: header, section
 * headers, symbols, strings, then the data. */
#include "backend/elf.h"

#include "support/bug.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALIGN = 64, SECTIONS = 6, SYMBOLS = 2 };
enum { NONE, DATA, SYMTAB, STRTAB, SHSTRTAB, STACK };
static const char section_names[] = "\0.rodata.dlc\0.symtab\0.strtab\0.shstrtab\0.note.GNU-stack";
enum { AT_DATA = 1, AT_SYMTAB = 13, AT_STRTAB = 21, AT_SHSTRTAB = 29, AT_STACK = 39 };

typedef struct {
  FILE *file;
  char *temporary;
  const char *path;
  Diagnostics *diagnostics;
  int64_t written;
} Output;

static void fail(Output *out, int error) {
  Diagnostic *d = diag_report(out->diagnostics, E0603, SPAN_NONE, "'%s' cannot be written: %s",
                              out->path, strerror(error));
  (void)d;
}

/* ".NAME.tmp" in the same folder. */
static char *temporary_name(const char *path) {
  const char *slash = strrchr(path, '/');
  size_t folder = slash ? (size_t)(slash - path) + 1 : 0, length = strlen(path) + 8;
  char *name = malloc(length);
  if (!name) out_of_memory(length);
  snprintf(name, length, "%.*s.%s.tmp", (int)folder, path, path + folder);
  return name;
}

static bool begin(Output *out) {
  out->temporary = temporary_name(out->path);
  out->file = fopen(out->temporary, "wb");
  if (out->file) return true;
  fail(out, errno);
  free(out->temporary);
  return false;
}

/* Renames what is whole, removes what is not. */
static bool end(Output *out, bool whole) {
  int error = 0;
  if (!whole || fflush(out->file) != 0) error = errno ? errno : EIO;
  if (fclose(out->file) != 0 && !error) error = errno;
  if (!error && rename(out->temporary, out->path) != 0) error = errno;
  if (error) {
    unlink(out->temporary);
    fail(out, error);
  }
  free(out->temporary);
  return !error;
}

static bool put(Output *out, const void *bytes, size_t length) {
  if (length && fwrite(bytes, 1, length, out->file) != length) return false;
  out->written += (int64_t)length;
  return true;
}

static bool pad_to(Output *out, int64_t place) {
  static const char zeros[4096];
  while (out->written < place) {
    int64_t left = place - out->written;
    if (!put(out, zeros, left < (int64_t)sizeof zeros ? (size_t)left : sizeof zeros)) return false;
  }
  return true;
}

static void check_pieces(int64_t size, const ElfPiece *pieces, size_t count) {
  int64_t at = 0;
  for (size_t i = 0; i < count; i++) {
    if (pieces[i].offset < at || pieces[i].length < 0 || pieces[i].length > size - pieces[i].offset)
      bug("constants overlap at %lld", (long long)pieces[i].offset);
    at = pieces[i].offset + pieces[i].length;
  }
}

/* A piece, part by part; the pages it comes from are let go every few parts. */
static bool put_data(Output *out, const Data *data) {
  enum { PART = 1 << 20, KEPT = 32 };
  if (data->bytes) {
    bool done = put(out, data->bytes, (size_t)data_bytes(data));
    data_release(data);
    return done;
  }
  int64_t unit = element_infos[data->element].bytes, part = PART / unit;
  char *room = malloc(PART);
  if (!room) out_of_memory(PART);
  bool done = true;
  for (int64_t at = 0, parts = 1; at < data->count && done; at += part, parts++) {
    int64_t count = data->count - at < part ? data->count - at : part;
    data_read(data, at, count, room);
    done = put(out, room, (size_t)(count * unit));
    if (parts % KEPT == 0) data_release(data);
  }
  data_release(data);
  free(room);
  return done;
}

static bool put_pieces(Output *out, int64_t size, const ElfPiece *pieces, size_t count) {
  int64_t start = out->written;
  for (size_t i = 0; i < count; i++)
    if (!pad_to(out, start + pieces[i].offset) || !put_data(out, pieces[i].data)) return false;
  return pad_to(out, start + size);
}

static Elf64_Shdr section(unsigned name, unsigned type, uint64_t flags, uint64_t offset,
                          uint64_t size, uint64_t align) {
  return (Elf64_Shdr){.sh_name = name,
                      .sh_type = type,
                      .sh_flags = flags,
                      .sh_offset = offset,
                      .sh_size = size,
                      .sh_addralign = align};
}

static bool put_object(Output *out, const char *symbol, int64_t size, const ElfPiece *pieces,
                       size_t count) {
  uint64_t name_bytes = strlen(symbol) + 2;
  uint64_t symbols_at = sizeof(Elf64_Ehdr) + SECTIONS * sizeof(Elf64_Shdr);
  uint64_t strings_at = symbols_at + SYMBOLS * sizeof(Elf64_Sym);
  uint64_t names_at = strings_at + name_bytes;
  uint64_t data_at = (names_at + sizeof section_names + ALIGN - 1) / ALIGN * ALIGN;
  Elf64_Ehdr header = {.e_type = ET_REL,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_shoff = sizeof header,
                       .e_ehsize = sizeof header,
                       .e_shentsize = sizeof(Elf64_Shdr),
                       .e_shnum = SECTIONS,
                       .e_shstrndx = SHSTRTAB};
  memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  Elf64_Shdr sections[SECTIONS] = {
      [DATA] = section(AT_DATA, SHT_PROGBITS, SHF_ALLOC, data_at, (uint64_t)size, ALIGN),
      [SYMTAB] = section(AT_SYMTAB, SHT_SYMTAB, 0, symbols_at, SYMBOLS * sizeof(Elf64_Sym), 8),
      [STRTAB] = section(AT_STRTAB, SHT_STRTAB, 0, strings_at, name_bytes, 1),
      [SHSTRTAB] = section(AT_SHSTRTAB, SHT_STRTAB, 0, names_at, sizeof section_names, 1),
      [STACK] = section(AT_STACK, SHT_PROGBITS, 0, names_at, 0, 1)};
  sections[SYMTAB].sh_link = STRTAB;
  sections[SYMTAB].sh_info = 1; /* the first global one */
  sections[SYMTAB].sh_entsize = sizeof(Elf64_Sym);
  Elf64_Sym symbols[SYMBOLS] = {{0},
                                {.st_name = 1,
                                 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                                 .st_other = STV_HIDDEN,
                                 .st_shndx = DATA,
                                 .st_size = (uint64_t)size}};
  return put(out, &header, sizeof header) && put(out, sections, sizeof sections) &&
         put(out, symbols, sizeof symbols) && put(out, "", 1) && put(out, symbol, name_bytes - 1) &&
         put(out, section_names, sizeof section_names) && pad_to(out, (int64_t)data_at) &&
         put_pieces(out, size, pieces, count);
}

bool elf_write(const char *path, const char *symbol, int64_t size, const ElfPiece *pieces,
               size_t count, Diagnostics *diagnostics) {
  if (size < 0 || size > ELF_MOST_BYTES) {
    Diagnostic *d = diag_report(diagnostics, E0610, SPAN_NONE,
                                "%lld bytes of constants do not fit in a program", (long long)size);
    diag_help(d, "--weights-beside leaves them in a file");
    return false;
  }
  check_pieces(size, pieces, count);
  Output out = {.path = path, .diagnostics = diagnostics};
  return begin(&out) && end(&out, put_object(&out, symbol, size, pieces, count));
}

bool weights_write(const char *path, const char *head, int64_t head_size, int64_t size,
                   const ElfPiece *pieces, size_t count, Diagnostics *diagnostics) {
  check_pieces(size, pieces, count);
  Output out = {.path = path, .diagnostics = diagnostics};
  return begin(&out) && end(&out, put(&out, head, strlen(head)) && pad_to(&out, head_size) &&
                                      put_pieces(&out, size, pieces, count));
}
