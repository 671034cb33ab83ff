# The Debian packages tsbatch needs, and how to install them: sourced by quickstart.sh and test.sh.
BUILD_PACKAGES=(gcc cmake ninja-build pkg-config libc6-dev libopenmpi-dev openmpi-bin libhdf5-dev libarchive-dev libdnnl-dev
    libopenblas-serial-dev libfftw3-dev libsleef-dev libdeflate-dev libhwloc-dev libjansson-dev hdf5-tools)
TEST_PACKAGES=(libcmocka-dev python3-torch python3-torchvision python3-h5py python3-numpy libopenblas0-pthread iproute2)

# Installs those of its arguments that are missing. Does nothing, and needs no network and no root, when all are there.
install_packages() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    echo "installing: ${missing[*]}"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >/dev/null
}
