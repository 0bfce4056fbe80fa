#pragma once

#include <ringo/detail/assert.hpp>

namespace ringo::detail {

/// FIFO of nodes linked through `Node::next`. Owns nothing; not thread-safe.
template <typename Node>
class intrusive_queue {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  Node* front() const noexcept { return head_; }

  void push(Node* node) noexcept {
    node->next = nullptr;
    append(node);
    tail_ = node;
  }

  Node* pop() noexcept {
    Node* node = head_;
    if (node != nullptr) head_ = node->next;
    return node;
  }

  /// Appends all of `other`, which becomes empty.
  void splice(intrusive_queue& other) noexcept {
    if (other.empty()) return;
    append(other.head_);
    tail_ = other.tail_;
    other.head_ = nullptr;
  }

 private:
  Node* head_ = nullptr;
  Node* tail_ = nullptr;  // valid only while head_ is set

  void append(Node* node) noexcept {
    if (head_ != nullptr) {
      tail_->next = node;
    } else {
      head_ = node;
    }
  }
};

/// FIFO from whose middle a node can leave in O(1), linked through `Node::next` and `Node::prev`.
/// Owns nothing; not thread-safe. `Node::linked` tells whether the node is in a list.
template <typename Node>
class intrusive_list {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  Node* front() const noexcept { return head_; }

  void push_back(Node* node) noexcept {
    RINGO_ASSERT(!node->linked);
    node->linked = true;
    node->next = nullptr;
    node->prev = tail_;
    (tail_ != nullptr ? tail_->next : head_) = node;
    tail_ = node;
  }

  void push_front(Node* node) noexcept {
    RINGO_ASSERT(!node->linked);
    node->linked = true;
    node->prev = nullptr;
    node->next = head_;
    (head_ != nullptr ? head_->prev : tail_) = node;
    head_ = node;
  }

  Node* pop_front() noexcept {
    Node* node = head_;
    if (node != nullptr) erase(node);
    return node;
  }

  void erase(Node* node) noexcept {
    RINGO_ASSERT(node->linked);
    (node->prev != nullptr ? node->prev->next : head_) = node->next;
    (node->next != nullptr ? node->next->prev : tail_) = node->prev;
    node->linked = false;
  }

 private:
  Node* head_ = nullptr;
  Node* tail_ = nullptr;
};

}  // namespace ringo::detail
