/* imports.c - what bochscpu.so, a Python module, takes from elsewhere: names of Python, which are
 * never called (fetch.sh lists them), of a newer glibc, and which CPU Bochs makes.
 *
 * The module asks for a Cannon Lake; this takes its place with a Sapphire Rapids, which has
 * AVX512-BF16 too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned long long __isoc23_strtoull(const char *text, char **end, int base);
int __isoc23_sscanf(const char *text, const char *format, ...);
void *_Z23create_corei3_cnl_cpuidP8BX_CPU_C(void *cpu);

/* Set by emulator.c: where its own functions are found behind those here. */
extern void *bochscpu_library;
void *bochscpu_library;

unsigned long long __isoc23_strtoull(const char *text, char **end, int base) {
  return strtoull(text, end, base);
}

int __isoc23_sscanf(const char *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int found = vsscanf(text, format, arguments);
  va_end(arguments);
  return found;
}

void *_Z23create_corei3_cnl_cpuidP8BX_CPU_C(void *cpu) {
  void *symbol = dlsym(bochscpu_library, "_Z28create_sapphire_rapids_cpuidP8BX_CPU_C");
  void *(*create)(void *);
  memcpy(&create, &symbol, sizeof create);
  return create(cpu);
}

/* ---- two mistakes in Bochs's decoder of instructions with an EVEX prefix ---- */

typedef int Decode(const unsigned char *bytes, unsigned *remain, void *instruction, unsigned first,
                   unsigned prefix, unsigned rex, const void *table);
Decode _Z14decoder_evex64PKhRjP15bxInstruction_cjjjPKv;

enum { LONGEST = 15, MOST = 256, SHORT = 3 }; /* a displacement of 1 byte is SHORT of one of 4 */
enum { MAP = 7, MAP_0F38 = 2, NOT_INDEX_8 = 0x40 };                        /* of byte 0 */
enum { PREFIX = 3, PREFIX_F3 = 2 };                                        /* of byte 1 */
enum { LENGTH_SHIFT = 5, LENGTH = 3, BROADCAST = 0x10, NOT_INDEX_16 = 8 }; /* of byte 2 */

/* zmm16 to zmm31 as the index of a gather or scatter: the bit that says so is taken for an operand
 * too many. So the decoder is shown the index less 16, which is then put right; where it lies in a
 * decoded instruction is seen by decoding with another one. */
static int decode_gather(Decode *decode, unsigned char *bytes, unsigned *remain, void *instruction,
                         unsigned first, unsigned prefix, unsigned rex, const void *table) {
  unsigned char decoded[2][MOST] = {0};
  bytes[2] |= NOT_INDEX_16;
  for (int i = 0; i < 2; i++) {
    unsigned left = *remain;
    if (decode(bytes, &left, decoded[i], first, prefix, rex, table) < 0) return -1;
    bytes[0] ^= NOT_INDEX_8;
  }
  int found = decode(bytes, remain, instruction, first, prefix, rex, table);
  for (int i = 0; found >= 0 && i < MOST; i++)
    if ((decoded[0][i] ^ decoded[1][i]) == 8) {
      ((unsigned char *)instruction)[i] += 16;
      return found;
    }
  return -1;
}

/* The unit of vdpbf16ps's displacement of one byte is the vector, not its element: the decoder is
 * shown one of four bytes. */
static int decode_pairs(Decode *decode, const unsigned char *bytes, unsigned *remain,
                        void *instruction, unsigned first, unsigned prefix, unsigned rex,
                        const void *table) {
  unsigned char longer[LONGEST + SHORT + 1] = {0};
  int at = (bytes[4] & 7) == 4 ? 6 : 5; /* behind a SIB byte */
  int displacement = (signed char)bytes[at] * (16 << (bytes[2] >> LENGTH_SHIFT & LENGTH));
  memcpy(longer, bytes, (size_t)at);
  longer[4] ^= 0xc0; /* of one byte: 01, of four: 10 */
  memcpy(longer + at, &displacement, sizeof displacement);
  *remain += SHORT;
  return decode(longer, remain, instruction, first, prefix, rex, table);
}

int _Z14decoder_evex64PKhRjP15bxInstruction_cjjjPKv(const unsigned char *bytes, unsigned *remain,
                                                    void *instruction, unsigned first,
                                                    unsigned prefix, unsigned rex,
                                                    const void *table) {
  static Decode *decode;
  unsigned char copy[LONGEST] = {0};
  if (!decode) {
    void *symbol = dlsym(bochscpu_library, "_Z14decoder_evex64PKhRjP15bxInstruction_cjjjPKv");
    memcpy(&decode, &symbol, sizeof decode);
  }
  memcpy(copy, bytes, *remain < LONGEST ? *remain : LONGEST);
  unsigned char opcode = copy[3], four = opcode & 0xfc; /* 90 to 93 gather, a0 to a3 scatter */
  if (*remain > 5 && (copy[0] & MAP) == MAP_0F38) {
    if ((four == 0x90 || four == 0xa0) && !(copy[2] & NOT_INDEX_16))
      return decode_gather(decode, copy, remain, instruction, first, prefix, rex, table);
    if (opcode == 0x52 && (copy[1] & PREFIX) == PREFIX_F3 && !(copy[2] & BROADCAST) &&
        copy[4] >> 6 == 1)
      return decode_pairs(decode, copy, remain, instruction, first, prefix, rex, table);
  }
  return decode(bytes, remain, instruction, first, prefix, rex, table);
}

#define PYTHON(name)                                                                               \
  extern char name[256];                                                                           \
  char name[256];
#include "python_names.h"
