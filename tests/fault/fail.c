/* The C library's allocator behind its own names: counted, numbered, refused.
 *
 * glibc offers its functions as __libc_malloc and so on, so that whoever defines malloc can call them. Its internal
 * mappings (stacks, large blocks) do not come through here; pthread_create is refused instead.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static atomic_long calls, refused, blocks, mapped;
static atomic_long at; /* 0: nothing is refused */
static atomic_bool is_onwards;

/* For a debugger: break here to see whose call is refused. */
__attribute__((noinline)) static void refusing(void)
{
    __asm__ volatile("" ::: "memory");
}

static bool refuses(void)
{
    long n = atomic_fetch_add(&calls, 1) + 1, bad = atomic_load(&at);
    if (bad == 0 || n < bad || (n > bad && !atomic_load(&is_onwards)))
        return false;
    atomic_fetch_add(&refused, 1);
    refusing();
    errno = ENOMEM;
    return true;
}

void fail_at(long n, bool onwards)
{
    atomic_store(&refused, 0);
    atomic_store(&calls, 0);
    atomic_store(&is_onwards, onwards);
    atomic_store(&at, n);
}

long fail_stop(void)
{
    atomic_store(&at, 0);
    return atomic_load(&refused);
}

long fail_calls(void)
{
    return atomic_load(&calls);
}

fail_live fail_now(void)
{
    return (fail_live){ atomic_load(&blocks), atomic_load(&mapped) };
}

/* Seen from the libraries too, which the rest of the tree is compiled not to be. */
#pragma GCC visibility push(default)

/* ---- malloc and its kin ---- */

static void *given(void *p)
{
    if (p)
        atomic_fetch_add(&blocks, 1);
    return p;
}

void *malloc(size_t n)
{
    return refuses() ? NULL : given(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    return refuses() ? NULL : given(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    if (refuses())
        return NULL;
    void *q = __libc_realloc(p, n);
    if (!p)
        given(q);
    else if (!q && n == 0)
        atomic_fetch_sub(&blocks, 1);
    return q;
}

void *memalign(size_t align, size_t n);
void *memalign(size_t align, size_t n)
{
    return refuses() ? NULL : given(__libc_memalign(align, n));
}

void *aligned_alloc(size_t align, size_t n)
{
    return memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
    int before = errno;
    void *q = memalign(align, n);
    if (q)
        *p = q;
    errno = before;
    return q ? 0 : ENOMEM;
}

void free(void *p)
{
    if (p)
        atomic_fetch_sub(&blocks, 1);
    __libc_free(p);
}

/* ---- mappings ---- */

static long pages(size_t n)
{
    return (long)((n + 4095) / 4096 * 4096);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
    if (refuses())
        return MAP_FAILED;
    void *p = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, off);
    if (p != MAP_FAILED)
        atomic_fetch_add(&mapped, pages(len));
    return p;
}

int munmap(void *addr, size_t len)
{
    int rc = (int)syscall(SYS_munmap, addr, len);
    if (rc == 0)
        atomic_fetch_sub(&mapped, pages(len));
    return rc;
}

void *mremap(void *old, size_t old_len, size_t len, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(args, void *) : NULL;
    va_end(args);
    if (refuses())
        return MAP_FAILED;
    void *p = (void *)syscall(SYS_mremap, old, old_len, len, flags, to);
    if (p != MAP_FAILED)
        atomic_fetch_add(&mapped, pages(len) - pages(old_len));
    return p;
}

/* ---- threads ---- */

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (refuses())
        return EAGAIN;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(t, attr, run, arg);
}

#pragma GCC visibility pop

/* ---- preloaded ---- */

__attribute__((constructor)) static void begin(void)
{
    const char *n = getenv("FAIL_AT");
    if (n)
        fail_at(strtol(n, NULL, 10), getenv("FAIL_FROM") != NULL);
}

__attribute__((destructor)) static void end(void)
{
    const char *log = getenv("FAIL_LOG");
    int fd = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        dprintf(fd, "%ld calls, %ld refused\n", fail_calls(), fail_stop());
        close(fd);
    }
}
