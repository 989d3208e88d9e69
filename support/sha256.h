/* sha256.h - SHA-256 (FIPS 180-4): what names data in text, and files in checkpoints. */
#ifndef SUPPORT_SHA256_H
#define SUPPORT_SHA256_H

#include <stddef.h>
#include <stdint.h>

void sha256(const void *bytes, size_t length, uint8_t digest[32]);

#endif
