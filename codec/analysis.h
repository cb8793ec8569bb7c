// SPDX-License-Identifier: Apache-2.0
#ifndef LICHEN_CODEC_ANALYSIS_H_
#define LICHEN_CODEC_ANALYSIS_H_

// From a picture's rows to the input of g_a's first gain: what does not depend on the quality, and is the same for all
// trials of an encoder that searches for one.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "bitstream/container.h"
#include "codec/model_data.h"
#include "codec/picture_rows.h"
#include "codec/sample_windows.h"
#include "codec/tiling.h"
#include "codec/transform.h"
#include "lichen/image.h"
#include "lichen/status.h"

namespace lichen {

/// Bytes of g_a's first layers, and bytes of a picture's rows, that are kept from one trial to the next.
inline constexpr size_t kKeptBytes = size_t{1} << 28;

/// g_a in two parts, borrowed.
struct SplitTransform {
  explicit SplitTransform(Layers g_a);

  Layers first;      // up to the first gain; may be empty
  Layers last;       // from there on; may be empty
  int stride = 1;    // pixels per position between the two
  int channels = 3;  // of those positions

  /// Elements between the two for so many latent positions.
  size_t ElementsBetween(int rows, int columns) const;
};

/// Whether the output of the first part takes at most kKeptBytes.
bool FitsKeptBytes(const SplitTransform& g_a, const TileGrid& grid);

class Analysis {
 public:
  /// source, workers  must outlive this; the source is read once if the first part's output is kept, else again in
  /// every
  ///                  pass
  /// keep             keep the first part's output: more passes will follow, and FitsKeptBytes
  /// keep_samples     keep those of all of the canvas
  /// windows          null, or what takes its pixels in the first pass
  Analysis(RowSource& source, const bitstream::Header& header, const ModelData& model, Workers& workers, bool keep,
           bool keep_samples = false, SampleWindows* windows = nullptr);

  const SplitTransform& g_a() const { return g_a_; }
  /// For the second part, which then takes the first one's output where it is.
  const std::shared_ptr<TransformMemory>& memory() const { return memory_; }

  /// [canvas height][canvas width][3], 0..65535, after a pass, if they are kept.
  const uint16_t* samples() const { return samples_.data(); }

  /// Call before each pass. errors: those of the source
  Status Begin();
  /// Takes the pixels of the next rows of latents, and gives what of the first part's output is complete then, valid
  /// until the next call or use of memory(). Every pass asks for the same strips. errors: those of the source and of
  /// Transform::Next
  Result<Strip> Next(Span rows);
  /// Alpha, if there is any, with the colour type that tells of it, and metadata. Call after a pass.
  Result<const bitstream::Attachments*> Attach(bool strip_metadata, uint32_t* colour_type);

 private:
  /// A strip that outlives the tensors.
  struct KeptStrip {
    std::vector<float> rows;
    int h;
  };

  bool UsesKept() const { return keep_ && passes_ > 1; }

  PictureRows rows_;
  Workers& workers_;
  TileGrid grid_;
  SplitTransform g_a_;
  std::shared_ptr<TransformMemory> memory_;
  std::optional<Transform> first_;
  bool keep_, keep_samples_;
  SampleWindows* windows_;
  int passes_ = 0;
  std::vector<KeptStrip> strips_;  // of the first pass
  size_t next_strip_ = 0;
  std::vector<uint16_t> samples_;
};

}  // namespace lichen

#endif  // LICHEN_CODEC_ANALYSIS_H_
