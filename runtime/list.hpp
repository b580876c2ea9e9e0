// list.hpp: a doubly linked list whose hooks live inside its elements.
//
// An element derives from ListHook<Tag> once for each kind of list it can be on, and is on at most
// one list of each kind. Nothing here allocates, and the list owns none of its elements.
#pragma once

namespace coir {

template <class Tag>
class ListHook {
public:
    ListHook() = default;
    ListHook(const ListHook&) = delete;
    ListHook& operator=(const ListHook&) = delete;

    bool linked() const { return next_ != nullptr; }

    void unlink() {
        if (!linked()) return;
        previous_->next_ = next_;
        next_->previous_ = previous_;
        previous_ = next_ = nullptr;
    }

private:
    template <class, class>
    friend class List;

    void insert_before(ListHook& place) {
        previous_ = place.previous_;
        next_ = &place;
        previous_->next_ = this;
        place.previous_ = this;
    }

    ListHook* previous_ = nullptr;
    ListHook* next_ = nullptr;
};

template <class T, class Tag>
class List {
public:
    using Hook = ListHook<Tag>;

    List() { reset(); }
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    bool empty() const { return end_.next_ == &end_; }
    T& front() { return element(*end_.next_); }
    T& back() { return element(*end_.previous_); }
    // The one behind `element`; nullptr behind the last.
    T* after(T& element) {
        Hook* next = static_cast<Hook&>(element).next_;
        return next == &end_ ? nullptr : &List::element(*next);
    }
    void push_back(T& element) { static_cast<Hook&>(element).insert_before(end_); }
    void push_front(T& element) { static_cast<Hook&>(element).insert_before(*end_.next_); }

    T& pop_front() {
        T& first = front();
        static_cast<Hook&>(first).unlink();
        return first;
    }

    // Moves everything from `other` to the end of this list.
    void take_all(List& other) {
        if (other.empty()) return;
        Hook* first = other.end_.next_;
        Hook* last = other.end_.previous_;
        first->previous_ = end_.previous_;
        end_.previous_->next_ = first;
        last->next_ = &end_;
        end_.previous_ = last;
        other.reset();
    }

    // Calls visit(element) for each, first to last; `visit` may unlink the element it is given.
    template <class Visit>
    void for_each(Visit visit) {
        for (Hook* hook = end_.next_; hook != &end_;) {
            Hook* next = hook->next_;
            visit(element(*hook));
            hook = next;
        }
    }

private:
    static T& element(Hook& hook) { return static_cast<T&>(hook); }
    void reset() { end_.previous_ = end_.next_ = &end_; }

    Hook end_;
};

}  // namespace coir
