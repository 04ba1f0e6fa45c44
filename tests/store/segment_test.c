/* SPDX-License-Identifier: MIT */
/* Protects the cutting of commits into sealed segments: every length comes back, a base's end is
 * found without reading it, and a failure is final. */
#include "store/format/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/map/record.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/disks/memory_disk.h"
#include "tests/store/support.h"

#define PATH "/data"

/* Bytes of records in a full segment. */
#define ROOM (FORMAT_SEGMENT_BYTES - 1)

struct file {
    struct memory_disk *memory;
    const struct disk *disk;
    int fd;
    struct byte_file bytes; /* the same */
    struct chain start;     /* behind the header */
};

static void file_open(struct file *file)
{
    static const uint8_t master[ANYSTORE_KEY_BYTES] = "the master key of these tests!!";
    struct format_header header;
    uint8_t file_key[XAES_KEY_BYTES], bytes[FORMAT_HEADER_BYTES];
    file->memory = memory_disk_new(&(struct memory_disk_abilities){true, true, true});
    file->disk = memory_disk_table(file->memory);
    file->fd = file->disk->open(file->disk, PATH, O_RDWR | O_CREAT, 0600);
    assert_true(file->fd >= 0);
    header.version = FORMAT_VERSION;
    assert_true(format_header_new(&header, master, NULL, file_key));
    format_header_encode(bytes, &header);
    assert_true(disk_write_exact(file->disk, file->fd, bytes, sizeof bytes, 0));
    file->bytes = disk_file(file->disk, file->fd, PATH);
    chain_start(&file->start, &header, file_key);
}

static void file_close(struct file *file)
{
    file->disk->close(file->disk, file->fd);
    memory_disk_free(file->memory);
}

static uint64_t file_size(const struct file *file)
{
    struct stat st;
    assert_int_equal(file->disk->fstat(file->disk, file->fd, &st), 0);
    return (uint64_t)st.st_size;
}

/* Never zero, so that it differs from the filling of a segment. */
static uint8_t pattern(size_t i)
{
    return (uint8_t)(i % 251 + 1);
}

/* A commit of `size` bytes, written in pieces of random sizes. */
static void write_commit(const struct file *file, struct chain *chain, enum format_kind kind,
                         size_t size, uint64_t generation, struct support_random *random)
{
    struct anystore_error error;
    struct segment_writer writer;
    uint8_t *data = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(i);
    segment_writer_begin(&writer, &file->bytes, chain, kind, &error);
    for (size_t done = 0; done < size;) {
        size_t n = 1 + support_random_below(random, 300000);
        n = n < size - done ? n : size - done;
        segment_write(&writer, data + done, n);
        done += n;
    }
    assert_int_equal(segment_writer_finish(&writer, generation, (int64_t)generation * 10),
                     ANYSTORE_OK);
    *chain = writer.chain;
    segment_writer_free(&writer);
    free(data);
    assert_int_equal(chain->generation, generation);
    assert_int_equal(chain->end, file_size(file));
}

/* Reads the commit and checks its bytes, and that only zeros follow. */
static void read_commit(struct segment_reader *reader, size_t size, uint64_t generation,
                        struct support_random *random)
{
    bool more = false, end = false;
    uint8_t *data = malloc(size + 1);
    assert_int_equal(segment_reader_next_commit(reader, &more), ANYSTORE_OK);
    assert_true(more);
    for (size_t done = 0; done < size;) {
        size_t n = 1 + support_random_below(random, 300000);
        n = n < size - done ? n : size - done;
        assert_int_equal(segment_reader_at_end(reader, &end), ANYSTORE_OK);
        assert_false(end);
        assert_true(segment_reader_bound(reader) >= size - done);
        assert_int_equal(segment_read(reader, data + done, n), ANYSTORE_OK);
        done += n;
    }
    for (size_t i = 0; i < size; i++)
        if (data[i] != pattern(i))
            assert_int_equal(data[i], pattern(i));
    for (size_t filled = 0;; filled++) {
        uint8_t byte = 1;
        assert_int_equal(segment_reader_at_end(reader, &end), ANYSTORE_OK);
        if (end)
            break;
        assert_true(filled < FORMAT_END_MOST);
        assert_int_equal(segment_read(reader, &byte, 1), ANYSTORE_OK);
        assert_int_equal(byte, RECORD_NOTHING);
    }
    assert_int_equal(reader->chain.generation, generation);
    assert_int_equal(reader->chain.time_ms, generation * 10);
    free(data);
}

static void begin(struct segment_reader *reader, const struct file *file, const struct chain *chain,
                  struct anystore_error *error)
{
    assert_int_equal(segment_reader_begin(reader, &file->bytes, file_size(file), chain, error),
                     ANYSTORE_OK);
}

static void expect_end(struct segment_reader *reader)
{
    bool more = true;
    assert_int_equal(segment_reader_next_commit(reader, &more), ANYSTORE_OK);
    assert_false(more);
}

static void round_trip(size_t base, size_t delta, struct support_random *random)
{
    struct file file;
    struct segment_reader reader;
    struct anystore_error error;
    file_open(&file);
    struct chain chain = file.start;
    write_commit(&file, &chain, FORMAT_BASE, base, 7, random);
    struct chain behind_base = chain;
    assert_int_equal(chain.base_end, chain.end);
    write_commit(&file, &chain, FORMAT_DELTA, delta, 8, random);
    write_commit(&file, &chain, FORMAT_DELTA, 1, 9, random);
    assert_int_equal(chain.base_end, behind_base.end);

    begin(&reader, &file, &file.start, &error);
    read_commit(&reader, base, 7, random);
    assert_memory_equal(&reader.chain, &behind_base, sizeof behind_base);
    read_commit(&reader, delta, 8, random);
    read_commit(&reader, 1, 9, random);
    expect_end(&reader);
    assert_memory_equal(&reader.chain, &chain, sizeof chain);
    assert_true(reader.bytes_read >= chain.end - FORMAT_HEADER_BYTES);
    segment_reader_free(&reader);

    /* From the middle: only what is new is read. */
    begin(&reader, &file, &behind_base, &error);
    read_commit(&reader, delta, 8, random);
    read_commit(&reader, 1, 9, random);
    expect_end(&reader);
    segment_reader_free(&reader);

    begin(&reader, &file, &file.start, &error);
    assert_int_equal(segment_reader_skip_base(&reader), ANYSTORE_OK);
    assert_memory_equal(&reader.chain, &behind_base, sizeof behind_base);
    read_commit(&reader, delta, 8, random);
    read_commit(&reader, 1, 9, random);
    expect_end(&reader);
    segment_reader_free(&reader);
    file_close(&file);
}

static void test_sizes_around_the_boundaries(void **state)
{
    struct support_random random = support_random_new(1);

    (void)state;
    for (size_t n = 0; n < 25; n++)
        round_trip(n, 24 - n, &random);
    for (size_t segments = 1; segments <= 2; segments++)
        for (size_t less = 0; less <= FORMAT_END_MOST + 3; less++) {
            round_trip(segments * ROOM - less, 5, &random);
            round_trip(5, segments * ROOM - less, &random);
        }
    for (size_t more = 1; more < 3; more++)
        round_trip(ROOM + more, 2 * ROOM + more, &random);
    for (int i = 0; i < 4; i++)
        round_trip(support_random_below(&random, 5 * ROOM), support_random_below(&random, 5 * ROOM),
                   &random);
}

/* A marked segment is shorter than a full one, whatever the size of the commit: skip_base depends
 * on it. */
static void test_the_mark_and_the_length(void **state)
{
    struct support_random random = support_random_new(2);

    (void)state;
    for (size_t less = 0; less <= FORMAT_END_MOST + 2; less++) {
        struct file file;
        file_open(&file);
        struct chain chain = file.start;
        write_commit(&file, &chain, FORMAT_BASE, ROOM - less, 1, &random);
        bool fits = ROOM - less + FORMAT_END_MOST < FORMAT_SEGMENT_BYTES;
        assert_int_equal(chain.segment, fits ? 1 : 2);
        assert_int_equal(chain.end - FORMAT_HEADER_BYTES,
                         fits ? ROOM - less + FORMAT_END_MOST + FORMAT_FRAME_BYTES
                              : FORMAT_SEGMENT_BYTES + FORMAT_END_MOST + 2 * FORMAT_FRAME_BYTES);
        file_close(&file);
    }
}

/* Cut short at any place, a commit is damaged, and never taken for a whole one. */
static void test_cut(void **state)
{
    struct support_random random = support_random_new(3);
    struct file file;
    struct anystore_error error;
    uint8_t byte;

    (void)state;
    file_open(&file);
    struct chain chain = file.start;
    write_commit(&file, &chain, FORMAT_BASE, 3, 1, &random);
    struct chain behind_base = chain;
    write_commit(&file, &chain, FORMAT_DELTA, ROOM + 30, 2, &random);
    for (uint64_t size = behind_base.end; size < chain.end; size += size % 997 + 1) {
        struct segment_reader reader;
        bool more = false, end = false;
        assert_int_equal(segment_reader_begin(&reader, &file.bytes, size, &behind_base, &error),
                         ANYSTORE_OK);
        enum anystore_status status = segment_reader_next_commit(&reader, &more);
        if (size == behind_base.end) {
            assert_int_equal(status, ANYSTORE_OK);
            assert_false(more);
        } else {
            while (status == ANYSTORE_OK) {
                status = segment_reader_at_end(&reader, &end);
                assert_false(status == ANYSTORE_OK && end);
                if (status == ANYSTORE_OK)
                    status = segment_read(&reader, &byte, 1);
            }
            assert_int_equal(status, ANYSTORE_DAMAGED);
            support_check_text(&error, PATH);
        }
        segment_reader_free(&reader);
    }
    /* The file is shorter than it should be. */
    struct segment_reader reader;
    bool more = false;
    assert_int_equal(segment_reader_begin(&reader, &file.bytes, chain.end + 100, &chain, &error),
                     ANYSTORE_OK);
    assert_int_equal(segment_reader_next_commit(&reader, &more), ANYSTORE_DAMAGED);
    segment_reader_free(&reader);
    file_close(&file);
}

static void test_reading_behind_the_end_of_a_commit(void **state)
{
    struct support_random random = support_random_new(4);
    struct file file;
    struct segment_reader reader;
    struct anystore_error error;
    bool more = false;
    uint8_t bytes[8];

    (void)state;
    file_open(&file);
    struct chain chain = file.start;
    write_commit(&file, &chain, FORMAT_BASE, 5, 1, &random);
    write_commit(&file, &chain, FORMAT_DELTA, 5, 2, &random);
    begin(&reader, &file, &file.start, &error);
    assert_int_equal(segment_reader_next_commit(&reader, &more), ANYSTORE_OK);
    assert_int_equal(segment_read(&reader, bytes, 6), ANYSTORE_DAMAGED);
    support_check_text(&error, PATH);
    segment_reader_free(&reader);
    file_close(&file);
}

static int full(struct hook_disk *hook, enum hook_call call)
{
    (void)hook;
    return call == HOOK_PWRITE ? ENOSPC : 0;
}

static int broken(struct hook_disk *hook, enum hook_call call)
{
    (void)hook;
    return call == HOOK_PREAD ? EIO : 0;
}

static void test_failures_stay(void **state)
{
    struct support_random random = support_random_new(5);
    struct file file;
    struct hook_disk hook;
    struct segment_writer writer;
    struct segment_reader reader;
    struct anystore_error error;
    uint8_t *data = calloc(1, 3 * ROOM);
    bool more = false;

    (void)state;
    file_open(&file);
    hook_disk_init(&hook, file.disk);
    hook.on_call = full;
    const struct byte_file hooked = disk_file(&hook.table, file.fd, PATH);
    segment_writer_begin(&writer, &hooked, &file.start, FORMAT_BASE, &error);
    segment_write(&writer, data, 3 * ROOM);
    hook.on_call = NULL;
    segment_write(&writer, data, 3 * ROOM);
    assert_int_equal(segment_writer_finish(&writer, 1, 1), ANYSTORE_NO_SPACE);
    assert_int_equal(error.sys_errno, ENOSPC);
    support_check_text(&error, PATH);
    segment_writer_free(&writer);
    assert_int_equal(file_size(&file), FORMAT_HEADER_BYTES);

    struct chain chain = file.start;
    write_commit(&file, &chain, FORMAT_BASE, 2 * ROOM, 1, &random);
    hook.on_call = broken;
    assert_int_equal(segment_reader_begin(&reader, &hooked, file_size(&file), &file.start, &error),
                     ANYSTORE_OK);
    assert_int_equal(segment_reader_next_commit(&reader, &more), ANYSTORE_IO);
    assert_int_equal(error.sys_errno, EIO);
    support_check_text(&error, PATH);
    assert_int_equal(segment_reader_skip_base(&reader), ANYSTORE_IO);
    segment_reader_free(&reader);
    free(data);
    file_close(&file);
}

/* ---- Records ------------------------------------------------------------------------------ */

static struct entry *record_of(enum entry_kind kind, size_t key_size, size_t value_size,
                               int64_t expire_ms)
{
    struct entry *entry = entry_new(kind, key_size, value_size);
    for (size_t i = 0; i < key_size + value_size; i++)
        entry->bytes[i] = pattern(i);
    entry->expire_ms = expire_ms;
    return entry;
}

static void expect_record(struct segment_reader *reader, const struct entry *entry)
{
    struct record record;
    assert_int_equal(record_read(reader, &record), ANYSTORE_OK);
    assert_non_null(record.entry);
    assert_int_equal(record.entry->kind, entry->kind);
    assert_int_equal(record.entry->key_size, entry->key_size);
    assert_int_equal(record.entry->value_size, entry->value_size);
    assert_int_equal(record.entry->expire_ms, entry->expire_ms);
    assert_memory_equal(record.entry->bytes, entry->bytes,
                        (size_t)entry->key_size + entry->value_size);
    entry_free(record.entry);
}

static void test_records(void **state)
{
    /* Around the lengths at which a number takes one byte more. */
    static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384, 2097151, 2097152};
    static const int64_t expiries[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    enum { SIZES = sizeof sizes / sizeof *sizes, EXPIRIES = sizeof expiries / sizeof *expiries };
    struct entry *entries[SIZES * 4 + EXPIRIES * 2];
    size_t count = 0;
    struct file file;
    struct segment_writer writer;
    struct segment_reader reader;
    struct anystore_error error;
    struct record record;
    bool more = false, end = false;

    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        entries[count++] = record_of(ENTRY_PUT, sizes[i], sizes[SIZES - 1 - i], 0);
        entries[count++] = record_of(ENTRY_PUT, sizes[i], 3, 5);
        entries[count++] = record_of(ENTRY_DELETE, sizes[i], 0, 0);
        entries[count++] = record_of(ENTRY_EXPIRE, sizes[i], 0, 0);
    }
    for (size_t i = 0; i < EXPIRIES; i++) {
        entries[count++] = record_of(ENTRY_PUT, 4, 4, expiries[i]);
        entries[count++] = record_of(ENTRY_EXPIRE, 4, 0, expiries[i]);
    }
    file_open(&file);
    segment_writer_begin(&writer, &file.bytes, &file.start, FORMAT_BASE, &error);
    record_write_count(&writer, UINT64_MAX);
    for (size_t i = 0; i < count; i++)
        record_write_entry(&writer, entries[i]);
    record_write_clear(&writer);
    assert_int_equal(segment_writer_finish(&writer, 1, 1), ANYSTORE_OK);
    segment_writer_free(&writer);

    begin(&reader, &file, &file.start, &error);
    assert_int_equal(segment_reader_next_commit(&reader, &more), ANYSTORE_OK);
    assert_int_equal(record_read(&reader, &record), ANYSTORE_OK);
    assert_int_equal(record.kind, RECORD_COUNT);
    assert_int_equal(record.count, UINT64_MAX);
    for (size_t i = 0; i < count; i++) {
        expect_record(&reader, entries[i]);
        entry_free(entries[i]);
    }
    assert_int_equal(record_read(&reader, &record), ANYSTORE_OK);
    assert_int_equal(record.kind, RECORD_CLEAR);
    assert_null(record.entry);
    assert_int_equal(segment_reader_at_end(&reader, &end), ANYSTORE_OK);
    assert_true(end);
    segment_reader_free(&reader);
    file_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_around_the_boundaries),
        cmocka_unit_test(test_the_mark_and_the_length),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_reading_behind_the_end_of_a_commit),
        cmocka_unit_test(test_failures_stay),
        cmocka_unit_test(test_records),
    };
    support_seed();
    return cmocka_run_group_tests_name("store_segment", tests, NULL, NULL);
}
