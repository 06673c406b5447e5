"""Searches that two threads share, part by part: the one that asks, and a helper.

The helper waits, takes and works without the interpreter's lock, which the one that asks would else have to wait for.
"""

cimport cython
from libc.stdlib cimport calloc, free

from memory_server.kernels.keywords cimport Occurrences
from memory_server.kernels.search cimport Search
from memory_server.kernels.vectors cimport Nearest

cdef extern from "pythread.h" nogil:
    ctypedef void *PyThread_type_lock
    PyThread_type_lock PyThread_allocate_lock() noexcept
    void PyThread_free_lock(PyThread_type_lock lock) noexcept
    int PyThread_acquire_lock(PyThread_type_lock lock, int waits) noexcept
    void PyThread_release_lock(PyThread_type_lock lock) noexcept

cdef extern from * nogil:
    """
    static Py_ssize_t soma_add(Py_ssize_t *counter, Py_ssize_t more) {
        return __atomic_fetch_add(counter, more, __ATOMIC_ACQ_REL);
    }
    static Py_ssize_t soma_look(Py_ssize_t *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }
    static void *soma_swap(void **place, void *other) { return __atomic_exchange_n(place, other, __ATOMIC_ACQ_REL); }
    """
    Py_ssize_t soma_add(Py_ssize_t *counter, Py_ssize_t more) noexcept
    Py_ssize_t soma_look(Py_ssize_t *counter) noexcept
    void *soma_swap(void **place, void *other) noexcept


cdef struct _Part:
    # What one thread does at once, and a lock that is free when it is done.
    Py_ssize_t first_nearest, end_nearest, first_search, end_search, is_done
    PyThread_type_lock is_busy


cdef struct _Board:
    # What is to be done. It goes when nobody holds it any more; what is on it is read only by who has taken a part.
    Py_ssize_t holders, next_part, part_count, slots
    _Part *parts
    void **jobs
    void *shared


cdef void _let_go(_Board *board) noexcept nogil:
    cdef Py_ssize_t each
    if board == NULL or soma_add(&board.holders, -1) > 1:
        return
    for each in range(board.part_count):
        PyThread_free_lock(board.parts[each].is_busy)
    free(board.parts)
    free(board.jobs)
    free(board)


cdef int _work(_Board *board, Py_ssize_t wanted, Occurrences occurrences, Py_ssize_t *part) except -1 nogil:
    """Do parts until there are no more, or the wanted one is done; `part` is the one that this is at."""
    cdef Py_ssize_t each
    while wanted == board.part_count or not soma_look(&board.parts[wanted].is_done):
        part[0] = soma_add(&board.next_part, 1)
        if part[0] >= board.part_count:
            break
        if not occurrences.has_room(board.slots):
            with gil:
                occurrences.fit(board.slots)
        for each in range(board.parts[part[0]].first_nearest, board.parts[part[0]].end_nearest):
            (<Nearest>board.jobs[each]).run()
        for each in range(board.parts[part[0]].first_search, board.parts[part[0]].end_search):
            (<Search>board.jobs[each]).run(occurrences)
        _tell(&board.parts[part[0]])
    return 0


cdef void _tell(_Part *part) noexcept nogil:
    soma_add(&part.is_done, 1)
    PyThread_release_lock(part.is_busy)


cdef int _fail(_Board *board, Py_ssize_t part, error) except -1:
    """Keep why a part has failed: somebody waits until it is done, or has failed."""
    # As long as it waits, it is there.
    (<Shared>board.shared)._failures[part] = error
    _tell(&board.parts[part])


@cython.no_gc_clear
cdef class Shared:
    cdef list _kept
    cdef dict _failures
    cdef _Board *_board

    def __cinit__(self, list parts not None, Py_ssize_t slots):
        cdef Py_ssize_t room = 0, place = 0
        cdef Nearest nearest
        cdef Search search
        cdef _Part *part
        cdef _Board *board = <_Board *>calloc(1, sizeof(_Board))
        if board == NULL:
            raise MemoryError()
        self._board, self._kept, self._failures = board, list(parts), {}
        for legs, searches in parts:
            room += len(legs) + len(searches)
        board.holders, board.slots, board.shared = 1, slots, <void *>self
        board.jobs = <void **>calloc(max(room, 1), sizeof(void *))
        board.parts = <_Part *>calloc(max(len(parts), 1), sizeof(_Part))
        if board.jobs == NULL or board.parts == NULL:
            raise MemoryError()
        for legs, searches in parts:
            part = &board.parts[board.part_count]
            part.first_nearest = place
            for nearest in legs:
                board.jobs[place] = <void *>nearest
                place += 1
            part.end_nearest = part.first_search = place
            for search in searches:
                board.jobs[place] = <void *>search
                place += 1
            part.end_search = place
            part.is_busy = PyThread_allocate_lock()
            if part.is_busy == NULL:
                raise MemoryError()
            PyThread_acquire_lock(part.is_busy, 1)
            board.part_count += 1

    def __dealloc__(self):
        cdef _Board *board = self._board
        cdef Py_ssize_t each, taken
        if board == NULL:
            return
        # Nobody takes another part; who is at one still reads what this keeps.
        taken = min(soma_add(&board.next_part, board.part_count), board.part_count)
        with nogil:
            for each in range(taken):
                PyThread_acquire_lock(board.parts[each].is_busy, 1)
        _let_go(board)

    def __len__(self):
        return self._board.part_count

    def finish(self, Py_ssize_t part, Occurrences occurrences not None):
        cdef PyThread_type_lock is_busy
        cdef Py_ssize_t own = 0
        if not 0 <= part < self._board.part_count:
            raise IndexError("there is no such part")
        is_busy = self._board.parts[part].is_busy
        while True:
            try:
                with nogil:
                    _work(self._board, part, occurrences, &own)
                break
            except Exception as error:
                _fail(self._board, own, error)
        with nogil:
            PyThread_acquire_lock(is_busy, 1)
            PyThread_release_lock(is_busy)
        kept, self._kept[part] = self._kept[part], None
        if part in self._failures:
            raise self._failures[part]
        return [(<Search>search).found() for search in kept[1]]


cdef class Helper:
    cdef Occurrences _occurrences
    cdef PyThread_type_lock _bell
    cdef void *_posted
    cdef Py_ssize_t _is_over

    def __cinit__(self):
        self._occurrences = Occurrences()
        self._bell = PyThread_allocate_lock()
        if self._bell == NULL:
            raise MemoryError()
        PyThread_acquire_lock(self._bell, 1)

    def __dealloc__(self):
        _let_go(<_Board *>self._posted)
        if self._bell != NULL:
            PyThread_free_lock(self._bell)

    def post(self, Shared shared not None):
        soma_add(&shared._board.holders, 1)
        # What has not been taken by now, its owner does alone.
        _let_go(<_Board *>soma_swap(&self._posted, <void *>shared._board))
        PyThread_release_lock(self._bell)

    def stop(self):
        soma_add(&self._is_over, 1)
        PyThread_release_lock(self._bell)

    def run(self):
        cdef _Board *board = NULL
        cdef Py_ssize_t part = 0
        while True:
            try:
                with nogil:
                    self._run(&board, &part)
                return
            except Exception as error:
                _fail(board, part, error)

    cdef int _run(self, _Board **board, Py_ssize_t *part) except -1 nogil:
        while True:
            if board[0] == NULL:
                board[0] = self._next_board()
            if board[0] == NULL:
                return 0
            _work(board[0], board[0].part_count, self._occurrences, part)
            _let_go(board[0])
            board[0] = NULL

    cdef _Board *_next_board(self) noexcept nogil:
        """Wait for a board; none: it is over."""
        cdef _Board *board
        while True:
            PyThread_acquire_lock(self._bell, 1)
            board = <_Board *>soma_swap(&self._posted, NULL)
            if board != NULL or soma_look(&self._is_over):
                return board
