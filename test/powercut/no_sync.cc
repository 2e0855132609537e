// Preloaded, makes every way to ask for durability do nothing: the negative control of the power cut test.

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>
#include <sys/uio.h>

extern "C" {

int fsync(int) { return 0; }
int fdatasync(int) { return 0; }
int syncfs(int) { return 0; }
int sync_file_range(int, off64_t, off64_t, unsigned) { return 0; }

static ssize_t WriteWithoutSync(const char* name, int fd, const struct iovec* iov, int count, off64_t offset,
                                int flags) {
  using Function = ssize_t (*)(int, const struct iovec*, int, off64_t, int);
  const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
  return real(fd, iov, count, offset, flags & ~(RWF_DSYNC | RWF_SYNC));
}

ssize_t pwritev2(int fd, const struct iovec* iov, int count, off_t offset, int flags) {
  return WriteWithoutSync("pwritev2", fd, iov, count, offset, flags);
}
ssize_t pwritev64v2(int fd, const struct iovec* iov, int count, off64_t offset, int flags) {
  return WriteWithoutSync("pwritev64v2", fd, iov, count, offset, flags);
}

}  // extern "C"
