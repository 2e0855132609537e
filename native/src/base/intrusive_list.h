// A doubly linked list through members of its elements: no allocation, removal in constant time.
#pragma once

#include <cstddef>

namespace aurochs {

/// The link of an element that is in at most one list at a time: `struct T : ListNode<T>`.
template <class T>
struct ListNode {
  T* previous = nullptr;
  T* next = nullptr;
};

/// Owns nothing.
template <class T>
class IntrusiveList {
 public:
  bool empty() const { return first_ == nullptr; }
  size_t size() const { return size_; }
  T* front() const { return first_; }

  void PushBack(T* element) {
    Node(element)->previous = last_;
    Node(element)->next = nullptr;
    (last_ ? Node(last_)->next : first_) = element;
    last_ = element;
    ++size_;
  }

  /// `element` is in this list.
  void Remove(T* element) {
    ListNode<T>* node = Node(element);
    (node->previous ? Node(node->previous)->next : first_) = node->next;
    (node->next ? Node(node->next)->previous : last_) = node->previous;
    node->previous = node->next = nullptr;
    --size_;
  }

  /// Null when empty.
  T* PopFront() {
    T* element = first_;
    if (element) Remove(element);
    return element;
  }

  static T* Next(T* element) { return Node(element)->next; }

 private:
  static ListNode<T>* Node(T* element) { return element; }

  T* first_ = nullptr;
  T* last_ = nullptr;
  size_t size_ = 0;
};

}  // namespace aurochs
