// SPDX-License-Identifier: Apache-2.0
#include "image_io/background.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace lichen::image_io {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 18;  // rows move in blocks of about this size
constexpr size_t kMaxBlocks = 64;

using Block = std::vector<uint8_t>;  // whole rows

size_t RowsPerBlock(size_t row_bytes) { return std::max<size_t>(1, kBlockBytes / std::max<size_t>(1, row_bytes)); }

/// Blocks from one thread to another. Either side may close it.
class Channel {
 public:
  /// False, without waiting for room, once the channel is closed.
  bool Put(Block block) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || (blocks_.size() < kMaxBlocks && bytes_ < kMaxBlocks * kBlockBytes); });
    if (closed_) return false;
    bytes_ += block.size();
    blocks_.push_back(std::move(block));
    changed_.notify_all();
    return true;
  }
  /// The next block; nothing once the channel is closed and empty.
  std::optional<Block> Take() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !blocks_.empty(); });
    if (blocks_.empty()) return std::nullopt;
    Block block = std::move(blocks_.front());
    blocks_.pop_front();
    bytes_ -= block.size();
    changed_.notify_all();
    return block;
  }
  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Block> blocks_;
  size_t bytes_ = 0;
  bool closed_ = false;
};

/// Calls `work`; an exception becomes an error.
template <typename Work>
Status Guarded(const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "there is not enough memory for this picture");
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal, error.what());
  }
}

class BackgroundSource : public PictureSource {
 public:
  explicit BackgroundSource(std::unique_ptr<PictureSource> source)
      : source_(std::move(source)),
        header_(source_->header()),
        row_bytes_(header_.RowBytes()),
        thread_([this] { ReadAll(); }) {}
  ~BackgroundSource() override {
    channel_.Close();
    if (thread_.joinable()) thread_.join();
  }

  const ImageHeader& header() const override { return header_; }
  std::vector<std::string> dropped() const override { return source_->dropped(); }

  Status ReadRow(uint8_t* row) override {
    if (rows_read_ == header_.height) return Status(StatusCode::kInvalidArgument, "all rows have been read");
    if (at_ == block_.size()) {
      std::optional<Block> block = channel_.Take();
      if (!block) {
        thread_.join();
        rows_read_ = header_.height;
        return status_;
      }
      block_ = std::move(*block);
      at_ = 0;
    }
    std::memcpy(row, block_.data() + at_, row_bytes_);
    at_ += row_bytes_;
    if (++rows_read_ < header_.height) return Status();
    thread_.join();  // it has seen what comes after the rows
    header_ = source_->header();
    return status_;
  }

 private:
  /// The thread's work.
  void ReadAll() {
    status_ = Guarded([this]() -> Status {
      const uint32_t height = header_.height;
      for (uint32_t y = 0; y < height;) {
        const auto rows = static_cast<uint32_t>(std::min<size_t>(RowsPerBlock(row_bytes_), height - y));
        Block block(rows * row_bytes_);
        Status status;
        uint32_t read = 0;
        while (read < rows && status.ok()) {
          status = source_->ReadRow(block.data() + read * row_bytes_);
          read += status.ok() ? 1 : 0;
        }
        block.resize(read * row_bytes_);
        if (!block.empty() && !channel_.Put(std::move(block))) return Status();
        LICHEN_RETURN_IF_ERROR(status);
        y += rows;
      }
      return Status();
    });
    channel_.Close();
  }

  std::unique_ptr<PictureSource> source_;  // the thread's while it runs
  ImageHeader header_;
  size_t row_bytes_;
  Status status_;  // likewise
  Channel channel_;
  Block block_;
  size_t at_ = 0;
  uint32_t rows_read_ = 0;
  std::thread thread_;  // last, since it uses the others
};

class BackgroundSink : public PictureSink {
 public:
  explicit BackgroundSink(std::unique_ptr<PictureSink> sink) : sink_(std::move(sink)) {}
  ~BackgroundSink() override {
    abandoned_ = true;
    Join();
  }

  Status Begin(const ImageHeader& header) override {
    row_bytes_ = header.RowBytes();
    LICHEN_RETURN_IF_ERROR(sink_->Begin(header));
    thread_ = std::thread([this] { WriteAll(); });
    return Status();
  }

  Status WriteRow(const uint8_t* row) override {
    if (block_.empty()) block_.reserve(RowsPerBlock(row_bytes_) * row_bytes_);
    block_.insert(block_.end(), row, row + row_bytes_);
    return block_.size() < RowsPerBlock(row_bytes_) * row_bytes_ ? Status() : Flush();
  }

  Status Finish() override {
    if (!block_.empty()) LICHEN_RETURN_IF_ERROR(Flush());
    Join();
    LICHEN_RETURN_IF_ERROR(status_);
    return sink_->Finish();
  }

  std::vector<std::string> dropped() const override { return sink_->dropped(); }

 private:
  Status Flush() {
    if (channel_.Put(std::exchange(block_, {}))) return Status();
    Join();  // the thread closed the channel: it failed
    return status_;
  }

  void Join() {
    channel_.Close();
    if (thread_.joinable()) thread_.join();
  }

  /// The thread's work.
  void WriteAll() {
    status_ = Guarded([this]() -> Status {
      while (const std::optional<Block> block = channel_.Take()) {
        for (size_t at = 0; at < block->size() && !abandoned_; at += row_bytes_) {
          LICHEN_RETURN_IF_ERROR(sink_->WriteRow(block->data() + at));
        }
      }
      return Status();
    });
    channel_.Close();
  }

  std::unique_ptr<PictureSink> sink_;  // the thread's while it runs
  size_t row_bytes_ = 0;
  Status status_;  // likewise
  Channel channel_;
  Block block_;
  std::atomic<bool> abandoned_{false};
  std::thread thread_;
};

}  // namespace

std::unique_ptr<PictureSource> ReadInBackground(std::unique_ptr<PictureSource> source) {
  return std::make_unique<BackgroundSource>(std::move(source));
}

std::unique_ptr<PictureSink> WriteInBackground(std::unique_ptr<PictureSink> sink) {
  return std::make_unique<BackgroundSink>(std::move(sink));
}

}  // namespace lichen::image_io
