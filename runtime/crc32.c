/* The tables are made on the stack, in a few microseconds, when there is enough to sum. */
#include "runtime/inflate.h"

enum { WORTH_TABLES = 1024 };

static uint32_t step(uint32_t crc) {
  return crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
}

uint32_t dlrt_crc32(uint32_t before, const void *from, size_t size) {
  const unsigned char *data = from;
  uint32_t crc = ~before;
  if (size >= WORTH_TABLES) {
    uint32_t table[4][256];
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t sum = i;
      for (int bit = 0; bit < 8; bit++) sum = step(sum);
      table[0][i] = sum;
    }
    for (int t = 1; t < 4; t++)
      for (int i = 0; i < 256; i++)
        table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 255];
    for (; size >= 4; size -= 4, data += 4) {
      crc ^= (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
             (uint32_t)data[3] << 24;
      crc = table[3][crc & 255] ^ table[2][crc >> 8 & 255] ^ table[1][crc >> 16 & 255] ^
            table[0][crc >> 24];
    }
  }
  for (; size; size--) {
    crc ^= *data++;
    for (int bit = 0; bit < 8; bit++) crc = step(crc);
  }
  return ~crc;
}
