# Cross-compiles for aarch64 on Debian: cmake -DCMAKE_TOOLCHAIN_FILE=aarch64.cmake, with AUROCHS_SYSROOT in the
# environment naming a folder that holds arm64's libnghttp2-dev, zlib1g-dev and libstdc++6 (test/aarch64/run makes one).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L $ENV{AUROCHS_SYSROOT})

# pkg-config has to speak of the sysroot's libraries, not of this machine's.
set(ENV{PKG_CONFIG_SYSROOT_DIR} $ENV{AUROCHS_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} $ENV{AUROCHS_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)
