#include "ir/random.h"

void philox(const uint32_t key[2], const uint32_t counter[4], uint32_t result[4]) {
  uint32_t k0 = key[0], k1 = key[1];
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < 10; round++) {
    uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)b;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  result[0] = c0;
  result[1] = c1;
  result[2] = c2;
  result[3] = c3;
}

/* The stream's block `number`: what both trips and elements are counted by. */
static RandomStream derive(const RandomStream *stream, uint64_t number) {
  uint32_t counter[4] = {(uint32_t)number, (uint32_t)(number >> 32), stream->word[2],
                         stream->word[3]};
  RandomStream result;
  philox(stream->word, counter, result.word);
  return result;
}

RandomStream random_stream(uint64_t seed, uint64_t call, uint64_t site, const int64_t *trips,
                           int trip_count) {
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t counter[4] = {(uint32_t)site, (uint32_t)(site >> 32), (uint32_t)call,
                         (uint32_t)(call >> 32)};
  RandomStream stream;
  philox(key, counter, stream.word);
  for (int i = 0; i < trip_count; i++) stream = derive(&stream, (uint64_t)trips[i]);
  return stream;
}

uint32_t random_bits(const RandomStream *stream, uint64_t element) {
  return derive(stream, element / 4).word[element % 4];
}

double random_number(Element element, uint32_t bits) {
  int kept = element == ELEMENT_bf16 ? 8 : element == ELEMENT_f16 ? 11 : 24;
  return (double)(bits >> (32 - kept)) / (double)(1 << kept);
}
