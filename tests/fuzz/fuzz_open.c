/* SPDX-License-Identifier: MIT */
/* Any file, most of them sealed with the right key so that they get past the seals: opening must
 * not crash, leak or hang.  If it opens, the contents must be the same after an update, a new base
 * and another open; and an instance that knew only a first part of the file and catches up must see
 * the same.
 *
 * An input is one byte of flags,
 *
 *   bit 0: the rest is the file as it is
 *   bit 1, 2, 3: the disk can clone, copy ranges, exchange
 *
 * and then steps that make a file behind its header, each a byte and what follows:
 *
 *   0                  the commit ends: its records are sealed, with the next generation
 *   1  n (1) bytes     adds these bytes to the records of the commit
 *   2  b (1) n (3)     adds n times the byte b; of zeros, which are a record each, only few
 *   3  g (8)           the commit ends, with this generation
 *   4  k (1) f (1) n (2) bytes   a segment of kind k with these n bytes as its plaintext; f: filled
 *                      up to a full one before the last byte
 *   5  n (1) bytes     adds these bytes to the file
 *   6  n (2)           removes n bytes from the end of the file
 *   7  n (2) x (1)     changes the byte n before the end of the file by x
 *   8                  the other instance knows the file up to here
 *   9  key (1) b (1) n (2)     a put of that key, n times b as its value
 *   10 key (1) b (1) e (8)     a put of that key, with expiry e
 *   11 key (1)         a delete
 *   12 key (1) e (8)   an expiry
 *   13                 a clear
 *   14 n (2)           room: n zeros
 *   15 o (1)           a new file of the same store begins, with a base as its next commit; o: the
 *                      last segment so far is its origin.  An instance that knows a part of the
 *                      earlier file can still read its rest */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/map/siphash.h"
#include "store/map/txn.h"
#include "store/medium/key.h"
#include "store/store.h"
#include "tests/store/disks/memory_disk.h"
#include "tests/store/disks/seal.h"

/* A name in the root directory, which exists on every machine; the file is in memory. */
#define PATH "/anystore-fuzz"

#define KEY_BYTE 1

#define FILES_MOST 4

/* Larger files take longer and show nothing more. */
#define MOST ((size_t)3 << 20)

/* Entries that expire around now are not compared: the two sides look at different moments. */
#define AROUND_NOW_MS 600000

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

/* ---- Reading the input -------------------------------------------------------------------- */

struct input {
    const uint8_t *data;
    size_t size;
};

/* Little-endian; zero where the input ends. */
static uint64_t take(struct input *input, unsigned bytes)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes && input->size > 0; i++, input->size--)
        x |= (uint64_t)*input->data++ << (8 * i);
    return x;
}

static const uint8_t *take_bytes(struct input *input, size_t *size)
{
    const uint8_t *bytes = input->data;
    if (*size > input->size)
        *size = input->size;
    input->data += *size;
    input->size -= *size;
    return bytes;
}

struct records {
    uint8_t *data;
    size_t size;
};

static uint8_t *add(struct records *records, size_t size)
{
    if (size > MOST - records->size)
        size = MOST - records->size;
    uint8_t *data = realloc(records->data, records->size + size + 1);
    require(data != NULL, "out of memory");
    records->data = data;
    records->size += size;
    return data + records->size - size;
}

static void add_bytes(struct records *records, const void *bytes, size_t size)
{
    size_t before = records->size;
    uint8_t *to = add(records, size);
    if (records->size > before)
        memcpy(to, bytes, records->size - before);
}

static void add_run(struct records *records, uint8_t byte, size_t size)
{
    size_t before = records->size;
    uint8_t *to = add(records, size);
    memset(to, byte, records->size - before);
}

static void add_number(struct records *records, uint64_t x, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        add_run(records, (uint8_t)(x >> (8 * i)), 1);
}

static void add_varint(struct records *records, uint64_t x)
{
    for (; x >= 0x80; x >>= 7)
        add_run(records, (uint8_t)(x | 0x80), 1);
    add_run(records, (uint8_t)x, 1);
}

static void add_put(struct records *records, struct input *input, bool expiring)
{
    uint8_t key = (uint8_t)take(input, 1), byte = (uint8_t)take(input, 1);
    size_t size = expiring ? 1 : (size_t)take(input, 2);
    add_run(records, expiring ? 2 : 1, 1);
    add_run(records, 0, 1);
    if (expiring)
        add_number(records, take(input, 8), 8);
    add_varint(records, 1);
    add_varint(records, size);
    add_run(records, key, 1);
    add_run(records, byte, size);
}

struct making {
    struct seal seal;
    struct records records;
    uint64_t generation;
    bool base_done;
    uint8_t *known; /* by the other instance */
    size_t known_size;
    uint8_t *before; /* the whole file of which it knows a part, if that is not this one */
    size_t before_size;
    unsigned files, known_file;
};

static void end_commit(struct making *making, uint64_t generation)
{
    if (making->seal.size + making->records.size < MOST)
        seal_commit(&making->seal, making->base_done ? FORMAT_DELTA : FORMAT_BASE,
                    making->records.data, making->records.size, generation);
    /* `records` stay in `making`, until LLVMFuzzerTestOneInput frees them. */
    making->generation = generation; /* NOLINT(clang-analyzer-unix.Malloc) */
    making->base_done = true;
    making->records.size = 0;
}

static void add_segment(struct making *making, struct input *input)
{
    enum format_kind kind = take(input, 1) % 2 ? FORMAT_DELTA : FORMAT_BASE;
    bool filled = take(input, 1) % 2;
    size_t size = (size_t)take(input, 2);
    const uint8_t *bytes = take_bytes(input, &size);
    if (making->seal.size > MOST)
        return;
    if (!filled || size == 0) {
        seal_segment(&making->seal, kind, bytes, size);
        return;
    }
    uint8_t *text = calloc(1, FORMAT_SEGMENT_BYTES);
    require(text != NULL, "out of memory");
    memcpy(text, bytes, size - 1);
    text[FORMAT_SEGMENT_BYTES - 1] = bytes[size - 1];
    seal_segment(&making->seal, kind, text, FORMAT_SEGMENT_BYTES);
    free(text);
}

static void know(struct making *making)
{
    const struct seal *seal = &making->seal;
    making->known = realloc(making->known, seal->size + 1);
    require(making->known != NULL, "out of memory");
    memcpy(making->known, seal->data, seal->size);
    making->known_size = seal->size;
    making->known_file = making->files;
    free(making->before);
    making->before = NULL;
}

static void begin_file(struct making *making, bool has_origin)
{
    struct seal last = making->seal;
    if (making->files >= FILES_MOST)
        return;
    seal_begin(&making->seal, KEY_BYTE, last.header.store_id);
    if (has_origin)
        memcpy(making->seal.origin, last.tag, sizeof last.tag);
    making->base_done = false;
    if (making->known && making->known_file == making->files) {
        making->before = last.data;
        making->before_size = last.size;
        last.data = NULL;
    }
    making->files++;
    seal_free(&last);
}

static void make_step(struct making *making, struct input *input)
{
    struct seal *seal = &making->seal;
    size_t size;
    switch (take(input, 1)) {
    case 0:
        end_commit(making, making->generation + 1);
        break;
    case 1: {
        size = (size_t)take(input, 1);
        const uint8_t *bytes = take_bytes(input, &size);
        add_bytes(&making->records, bytes, size);
        break;
    }
    case 2: {
        uint8_t byte = (uint8_t)take(input, 1);
        size = (size_t)take(input, 3);
        add_run(&making->records, byte, byte == 0 && size > 100 ? 100 : size);
        break;
    }
    case 3:
        end_commit(making, take(input, 8));
        break;
    case 4:
        add_segment(making, input);
        break;
    case 5: {
        size = (size_t)take(input, 1);
        const uint8_t *bytes = take_bytes(input, &size);
        seal_raw(seal, bytes, size);
        break;
    }
    case 6:
        size = (size_t)take(input, 2);
        seal->size -= size < seal->size ? size : seal->size;
        break;
    case 7:
        size = (size_t)take(input, 2);
        if (size < seal->size)
            seal->data[seal->size - 1 - size] ^= (uint8_t)take(input, 1);
        break;
    case 8:
        know(making);
        break;
    case 9:
        add_put(&making->records, input, false);
        break;
    case 10:
        add_put(&making->records, input, true);
        break;
    case 11:
        add_run(&making->records, 3, 1);
        add_varint(&making->records, 1);
        add_number(&making->records, take(input, 1), 1);
        break;
    case 12: {
        uint8_t key = (uint8_t)take(input, 1);
        add_run(&making->records, 4, 1);
        add_number(&making->records, take(input, 8), 8);
        add_varint(&making->records, 1);
        add_run(&making->records, key, 1);
        break;
    }
    case 13:
        add_run(&making->records, 5, 1);
        break;
    case 14:
        for (size = (size_t)take(input, 2); size > 0 && seal->size < MOST; size--)
            seal_raw(seal, "", 1);
        break;
    case 15:
        begin_file(making, take(input, 1) % 2);
        break;
    default:
        break;
    }
}

/* ---- Looking at a store ------------------------------------------------------------------- */

struct digest {
    uint64_t sum, count;
    int64_t now_ms;
};

static bool digest_entry(const void *key, size_t key_size, const struct anystore_value *value,
                         void *arg)
{
    static const struct siphash_key seeds[3] = {{1, 2}, {3, 4}, {5, 6}};
    struct digest *digest = arg;
    if (value->expire_ms != 0 && value->expire_ms > digest->now_ms - AROUND_NOW_MS &&
        value->expire_ms < digest->now_ms + AROUND_NOW_MS)
        return true;
    uint64_t parts[3] = {siphash_1_3(&seeds[0], key, key_size),
                         siphash_1_3(&seeds[1], value->data, value->size),
                         (uint64_t)value->expire_ms};
    digest->sum += siphash_1_3(&seeds[2], parts, sizeof parts);
    digest->count++;
    return true;
}

static bool digest_all(struct anystore_txn *txn, void *arg)
{
    struct digest *digest = arg;
    *digest = (struct digest){.now_ms = anystore_now(txn)};
    anystore_each(txn, digest_entry, digest);
    return digest->count <= anystore_count(txn);
}

static struct digest look(struct anystore *store)
{
    struct digest digest;
    struct anystore_error error;
    enum anystore_status status = anystore_view(store, digest_all, &digest, &error);
    if (status != ANYSTORE_OK)
        fprintf(stderr, "%s\n", error.text);
    require(status == ANYSTORE_OK, "a view failed");
    anystore_check(store);
    return digest;
}

static void expect_same(struct anystore *store, const struct digest *expected, const char *what)
{
    struct digest digest = look(store);
    require(digest.sum == expected->sum && digest.count == expected->count, what);
}

static bool change(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value = {.data = "new", .size = 3};
    (void)arg;
    return anystore_put(txn, "a key of the fuzzer's", 21, &value) == ANYSTORE_OK &&
           anystore_set_expiry(txn, "a", 1, INT64_MAX, NULL) == ANYSTORE_OK &&
           anystore_delete(txn, "b", 1, NULL) == ANYSTORE_OK;
}

static void on_rewritten(struct anystore_submission *submission, bool ran,
                         const struct anystore_error *error)
{
    (void)submission;
    (void)ran;
    require(error->status == ANYSTORE_OK, "a new base failed");
}

static struct anystore *open_store(struct memory_disk *memory, struct anystore_error *error)
{
    struct anystore_key key;
    memset(key.bytes, KEY_BYTE, sizeof key.bytes);
    struct anystore_options options = {.path = PATH, .key = &key};
    struct anystore *store = store_open_on_disk(&options, memory_disk_table(memory), error);
    require(store || (error->status != ANYSTORE_OK && error->text[0] && !strchr(error->text, '\n')),
            "no reason is given");
    return store;
}

/* ---- One input ---------------------------------------------------------------------------- */

/* It has opened: goes on with it. */
static void use(struct memory_disk *memory, struct anystore *store, struct anystore *other)
{
    struct anystore_error error;
    struct anystore_submission rewrite = {.kind = ANYSTORE_SUBMIT_BASE, .on_done = on_rewritten};
    struct digest digest = look(store);
    if (other)
        expect_same(other, &digest, "catching up leads elsewhere");
    enum anystore_status status = anystore_update(store, change, NULL, &error);
    struct anystore_stats stats;
    anystore_stats_read(store, &stats);
    if (status == ANYSTORE_DAMAGED && stats.generation == INT64_MAX) {
        expect_same(store, &digest, "a failing update changed something");
        anystore_close(other);
        anystore_close(store);
        return;
    }
    require(status == ANYSTORE_OK, "an update failed");
    digest = look(store);
    require(digest.count > 0, "an update is not there");
    if (other) {
        expect_same(other, &digest, "an update arrives as another");
        anystore_submit(other, &rewrite);
    } else {
        anystore_submit(store, &rewrite);
    }
    struct anystore *again = open_store(memory, &error);
    require(again != NULL, "it does not open again");
    expect_same(again, &digest, "an update does not last");
    anystore_close(again);
    anystore_close(other); /* the base is written by now, if by this one */
    anystore_close(store);
    again = open_store(memory, &error);
    require(again != NULL, "a new base does not open");
    expect_same(again, &digest, "a new base is another");
    anystore_close(again);
}

/* Whatever the file is to it: it must not crash. */
static void try_out(struct anystore *other, bool may_change)
{
    struct digest digest;
    struct anystore_error error;
    anystore_view(other, digest_all, &digest, &error);
    if (may_change)
        anystore_update(other, change, NULL, &error);
    anystore_check(other);
    anystore_close(other);
}

/* Lets the file that an instance has open grow to what it was before it was replaced. */
static void grow(struct memory_disk *memory, const struct making *making)
{
    const struct disk *disk = memory_disk_table(memory);
    if (!making->before || making->before_size < making->known_size ||
        memcmp(making->before, making->known, making->known_size) != 0)
        return;
    int fd = disk->open(disk, PATH, O_RDWR, 0);
    require(fd >= 0 && disk_write_exact(disk, fd, making->before, making->before_size, 0),
            "the file does not grow");
    disk->close(disk, fd);
}

static void run(struct memory_disk *memory, const struct making *making)
{
    const uint8_t *file = making->seal.data;
    size_t size = making->seal.size;
    struct anystore_error error;
    struct anystore *other = NULL;
    if (making->known) {
        memory_disk_set_file(memory, PATH, making->known, making->known_size);
        other = open_store(memory, &error);
        grow(memory, making);
    }
    memory_disk_set_file(memory, PATH, file, size);
    struct anystore *store = open_store(memory, &error);
    if (!store) {
        size_t left_size = 0;
        uint8_t *left = memory_disk_get_file(memory, PATH, &left_size);
        require(left && left_size == size && (size == 0 || memcmp(left, file, size) == 0),
                "a failing open changed the file");
        free(left);
        if (other)
            try_out(other, true);
        return;
    }
    bool begins_with_known = making->known && making->known_size <= size &&
                             memcmp(file, making->known, making->known_size) == 0;
    if (other && !begins_with_known) {
        try_out(other, false);
        other = NULL;
    }
    use(memory, store, other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    uint8_t flags = (uint8_t)take(&input, 1);
    struct memory_disk *memory = memory_disk_new(&(struct memory_disk_abilities){
        .clone = flags & 2, .copy_range = flags & 4, .exchange = flags & 8});
    struct making making = {.generation = 0};
    if (flags & 1) {
        seal_raw(&making.seal, input.data, input.size);
    } else {
        seal_begin(&making.seal, KEY_BYTE, NULL);
        while (input.size > 0)
            make_step(&making, &input);
    }
    run(memory, &making);
    seal_free(&making.seal);
    free(making.records.data);
    free(making.known);
    free(making.before);
    memory_disk_free(memory);
    return 0;
}
