// SPDX-License-Identifier: Apache-2.0
// With isal_deflater.cc the only user of ISA-L; compiled only with it.
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "image_io/inflater.h"
#include "image_io/isal_vector_code.h"

namespace lichen::image_io {

struct Inflater::Stream {
  Stream() {
    isal_inflate_init(&state);
    state.crc_flag = ISAL_ZLIB;
  }
  inflate_state state;
};

Inflater::Inflater() : stream_(std::make_unique<Stream>()) {}
Inflater::~Inflater() = default;

void Inflater::SetInput(const uint8_t* data, size_t size) {
  stream_->state.next_in = const_cast<uint8_t*>(data);  // which ISA-L only reads
  stream_->state.avail_in = static_cast<uint32_t>(size);
}

size_t Inflater::Output(uint8_t* data, size_t size) {
  inflate_state& state = stream_->state;
  state.next_out = data;
  state.avail_out = static_cast<uint32_t>(size);
  bool progress = true;
  while (progress && state.avail_out > 0 && !Ended() && !damaged_) {
    const uint32_t in = state.avail_in, out = state.avail_out;
    damaged_ = isal_inflate(&state) != ISAL_DECOMP_OK;
    progress = state.avail_in < in || state.avail_out < out;
  }
  if (!progress && state.avail_in > 0) damaged_ = true;  // cannot be; but nothing may get lost
  LeaveVectorCode();
  return size - state.avail_out;
}

bool Inflater::Ended() const { return !damaged_ && stream_->state.block_state == ISAL_BLOCK_FINISH; }

size_t Inflater::Left() const {
  // It loads up to 8 bytes before it needs them.
  return stream_->state.avail_in + static_cast<size_t>(stream_->state.read_in_length) / 8;
}

uint32_t Crc32(uint32_t crc, const uint8_t* data, size_t size) {
  crc = crc32_gzip_refl(crc, data, size);
  LeaveVectorCode();
  return crc;
}

}  // namespace lichen::image_io
