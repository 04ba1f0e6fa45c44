/* SPDX-License-Identifier: MIT */
/* Master keys: reading, checking and making them. */
#include "store/medium/key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "store/common/error.h"
#include "store/medium/disk.h"

/* 32 bytes are 44 characters of base64. */
#define KEY_TEXT ((ANYSTORE_KEY_BYTES + 2) / 3 * 4)

/* The largest key file that is looked at: a key, with some blanks. */
#define KEY_FILE_MOST 1024

static struct anystore_key *malformed(const char *name, struct anystore_error *error)
{
    error_set(error, ANYSTORE_KEY,
              "%s is not a key: it must be %d bytes in base64, which are %d characters", name,
              ANYSTORE_KEY_BYTES, KEY_TEXT);
    return NULL;
}

static struct anystore_key *parse(const char *text, size_t size, const char *name,
                                  struct anystore_error *error)
{
    while (size > 0 && isspace((unsigned char)text[0])) {
        text++;
        size--;
    }
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        size--;
    /* What OpenSSL decodes is encoded again and compared, because it takes padding in the middle
     * for zeros and ignores bits that no byte has, as a typing error may leave them. */
    uint8_t bytes[KEY_TEXT / 4 * 3];
    unsigned char again[KEY_TEXT + 1];
    struct anystore_key *key = NULL;
    if (size != KEY_TEXT ||
        EVP_DecodeBlock(bytes, (const unsigned char *)text, KEY_TEXT) != (int)sizeof bytes ||
        EVP_EncodeBlock(again, bytes, ANYSTORE_KEY_BYTES) != KEY_TEXT ||
        CRYPTO_memcmp(again, text, KEY_TEXT) != 0)
        malformed(name, error);
    else if (!(key = malloc(sizeof *key)))
        error_nomem(error);
    else
        memcpy(key->bytes, bytes, sizeof key->bytes);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(again, sizeof again);
    return key;
}

struct anystore_key *anystore_key_from_base64(const char *text, const char *name,
                                              struct anystore_error *error)
{
    return parse(text, strlen(text), name, error);
}

static bool well_protected(const char *path, const struct stat *st, struct anystore_error *error)
{
    /* Root's key may be readable by a group, as a secret that an orchestrator mounts is. */
    mode_t forbidden = st->st_uid == 0 ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    if (!S_ISREG(st->st_mode)) {
        error_set(error, ANYSTORE_KEY, "the key file %s is not a regular file", path);
        return false;
    }
    if (st->st_mode & forbidden) {
        error_set(error, ANYSTORE_KEY,
                  "the key file %s has mode %04o: others could read it; chmod 600 it", path,
                  (unsigned)(st->st_mode & 07777));
        return false;
    }
    return true;
}

struct anystore_key *anystore_key_load(const char *path, struct anystore_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        error_system(error, "cannot open the key file %s", path);
        if (error)
            error->status = ANYSTORE_KEY;
        return NULL;
    }
    struct anystore_key *key = NULL;
    struct stat st;
    char text[KEY_FILE_MOST + 1];
    ssize_t size = 0;
    if (fstat(fd, &st) != 0)
        error_system(error, "cannot examine the key file %s", path);
    else if (!well_protected(path, &st, error))
        ;
    else if ((size = read(fd, text, sizeof text)) < 0)
        error_system(error, "cannot read the key file %s", path);
    else if (size > KEY_FILE_MOST)
        malformed(path, error);
    else
        key = parse(text, (size_t)size, path, error);
    OPENSSL_cleanse(text, sizeof text);
    close(fd);
    return key;
}

/* A new key file under a temporary name. */
static bool write_new(const char *path, struct anystore_error *error)
{
    uint8_t bytes[ANYSTORE_KEY_BYTES];
    unsigned char text[KEY_TEXT + 2];
    if (RAND_priv_bytes(bytes, sizeof bytes) != 1) {
        error_set(error, ANYSTORE_KEY, "cannot make a key: OpenSSL has no random numbers");
        return false;
    }
    EVP_EncodeBlock(text, bytes, sizeof bytes);
    text[KEY_TEXT] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok =
        fd >= 0 && disk_write_exact(&disk_system, fd, text, KEY_TEXT + 1, 0) && fsync(fd) == 0;
    if (!ok)
        error_system(error, "cannot write the key file %s", path);
    if (fd >= 0)
        close(fd);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text, sizeof text);
    return ok;
}

struct anystore_key *anystore_key_create(const char *path, struct anystore_error *error)
{
    char *temp = NULL;
    uint32_t number;
    if (RAND_bytes((unsigned char *)&number, sizeof number) != 1 ||
        asprintf(&temp, "%s.%08x", path, number) < 0) {
        error_nomem(error);
        return NULL;
    }
    /* link, unlike rename, does not replace a key that another process has made meanwhile. */
    bool ok = write_new(temp, error);
    if (ok && link(temp, path) != 0 && errno != EEXIST) {
        error_system(error, "cannot make the key file %s", path);
        ok = false;
    }
    if (ok && !disk_sync_directory_of(&disk_system, path)) {
        error_system(error, "cannot sync the directory of %s", path);
        ok = false;
    }
    unlink(temp);
    free(temp);
    return ok ? anystore_key_load(path, error) : NULL;
}

void anystore_key_free(struct anystore_key *key)
{
    if (key)
        OPENSSL_cleanse(key, sizeof *key);
    free(key);
}
