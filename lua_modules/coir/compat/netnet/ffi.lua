--- coir.compat.netnet.ffi: byte buffers for scripts that were written with LuaJIT's `ffi`.
---
--- Arrays of integers: `new`, `string`, `sizeof`, `copy`, `fill`, `cast`, indices from 0, `buffer +
--- n`. Every access is checked against the bounds of the memory. No C declarations, structures or
--- calls.
local ffi = {}

--- string.pack formats by C type, in the machine's own byte order.
local formats = {
  bool = 'B', char = 'b', int8_t = 'b', uint8_t = 'B', BYTE = 'B',
  int16_t = 'i2', short = 'i2', uint16_t = 'I2', WORD = 'I2',
  int32_t = 'i4', int = 'i4', uint32_t = 'I4', DWORD = 'I4',
  int64_t = 'i8', uint64_t = 'I8',
  ['signed char'] = 'b', ['unsigned char'] = 'B', ['unsigned short'] = 'I2', ['unsigned int'] = 'I4',
}

-- -- Memory ---------------------------------------------------------------------------------------
-- A block of bytes: `head`, a string, holds the first ones, `cells` the rest one by one, where a
-- missing one is 0. What arrives from a socket stays one string, and what is set byte by byte costs
-- a table entry.

local function block_byte(block, at)
  return block.head:byte(at + 1) or block.cells[at] or 0
end

local function block_read(block, at, n)
  local head = block.head:sub(at + 1, at + n)
  if #head == n then return head end
  local parts = { head }
  for i = at + #head, at + n - 1 do parts[#parts + 1] = string.char(block.cells[i] or 0) end
  return table.concat(parts)
end

local function block_write(block, at, data)
  if at == 0 and #data >= #block.head then
    block.head = data
    return
  end
  block.head = block_read(block, 0, at) .. data .. block.head:sub(at + #data + 1)
end

--- Moves the head into the cells and sets the bytes that follow `at`.
local function block_set(block, at, data)
  local cells, head = block.cells, block.head
  for i = 1, #head do cells[i - 1] = head:byte(i) end
  block.head = ''
  for i = 1, #data do cells[at + i - 1] = data:byte(i) end
end

-- -- Buffers --------------------------------------------------------------------------------------

local Buffer = { __name = 'buffer' }

local function is_buffer(value) return getmetatable(value) == Buffer end

--- A view of `count` elements of a block, from byte `at` on.
local function view(block, at, count, format)
  return setmetatable({ block = block, at = at, count = count, format = format,
                        width = string.packsize(format) }, Buffer)
end

local function element(self, index)
  local i = math.type(index) and math.tointeger(index)
  if not i then error(('a buffer has no element %q'):format(tostring(index)), 3) end
  if i < 0 or i >= self.count then
    error(('index %d is not in the buffer of %d elements'):format(i, self.count), 3)
  end
  return self.at + i * self.width
end

function Buffer.__index(self, index)
  local at = element(self, index)
  if self.format == 'B' then return block_byte(self.block, at) end
  return (string.unpack(self.format, block_read(self.block, at, self.width)))
end

--- Integers wrap as in C.
local function wrap(format, width, value)
  local whole = math.type(value) and math.tointeger(value >= 0 and value // 1 or -(-value // 1))
  if not whole then error('a buffer holds integers, not ' .. tostring(value), 4) end
  if width == 8 then return string.pack('i8', whole) end
  local limit = 1 << 8 * width
  whole = whole & limit - 1
  if format:find '^[bi]' and whole >= limit // 2 then whole = whole - limit end
  return string.pack(format, whole)
end

function Buffer.__newindex(self, index, value)
  block_set(self.block, element(self, index), wrap(self.format, self.width, value))
end

function Buffer.__len(self) return self.count end

--- The same memory from `n` elements on, as with a pointer.
function Buffer.__add(self, n)
  if not is_buffer(self) then self, n = n, self end
  local at = n == self.count and self.at + n * self.width or element(self, n)
  return view(self.block, at, self.count - (at - self.at) // self.width, self.format)
end

function Buffer.__tostring(self)
  return ('buffer: %d elements of %d bytes'):format(self.count, self.width)
end

-- -- Types ----------------------------------------------------------------------------------------

--- `"const uint8_t *"` and `"char[256]"`: the format, and what is in the brackets or after the
--- name.
local function parse(declaration)
  local name, rest = tostring(declaration):match '^%s*([%a_][%w_ ]*)(.*)$'
  local format = name and formats[name:gsub('^const%s+', ''):match '^(.-)%s*$']
  if not format then error(('unknown type %q'):format(tostring(declaration)), 3) end
  return format, rest:match '^%[%s*(.-)%s*%]$' or rest
end

local function size_of(buffer) return buffer.count * buffer.width end

local function check_range(n, most, what)
  local whole = math.type(n) and math.tointeger(n)
  if not whole or whole < 0 then error('the length must be a number of bytes', 3) end
  if whole > most then error(('%d bytes, but the %s has only %d'):format(whole, what, most), 3) end
  return whole
end

-- -- Functions ------------------------------------------------------------------------------------

--- Makes a buffer: `new('uint8_t[?]', n)`, `new('char[256]')`, `new('uint32_t[1]', v)`. What
--- follows are the first values, a table of them, or for an array of bytes a string; a single one
--- fills the array. Raises for an unknown type. Does not wait.
function ffi.new(declaration, ...)
  local format, length = parse(declaration)
  local values = { ... }
  if length == '?' then length = table.remove(values, 1) end
  local count = math.tointeger(tonumber(length))
  if not count or count < 0 then error(('%q is no array'):format(declaration), 2) end
  local buffer = view({ head = '', cells = {} }, 0, count, format)
  if type(values[1]) == 'table' and not is_buffer(values[1]) then values = values[1] end
  if type(values[1]) == 'string' then
    ffi.copy(buffer, values[1], math.min(#values[1], size_of(buffer)))
  elseif #values == 1 then
    for i = 0, count - 1 do buffer[i] = values[1] end
  else
    for i, value in ipairs(values) do buffer[i - 1] = value end
  end
  return buffer
end

--- The bytes as a string: the first `n`, or all before the first zero byte. Raises when the buffer
--- has fewer.
function ffi.string(buffer, n)
  if type(buffer) == 'string' then
    return n and buffer:sub(1, check_range(n, #buffer, 'string')) or buffer
  end
  if not is_buffer(buffer) then error('a buffer was expected', 2) end
  local size = size_of(buffer)
  if n then return block_read(buffer.block, buffer.at, check_range(n, size, 'buffer')) end
  return (block_read(buffer.block, buffer.at, size):gsub('%z.*', ''))
end

--- The size in bytes of a type or a buffer.
function ffi.sizeof(what)
  if is_buffer(what) then return size_of(what) end
  local format, length = parse(what)
  if length ~= '' and not tonumber(length) then error(('%q has no size'):format(what), 2) end
  return string.packsize(format) * (tonumber(length) or 1)
end

--- Copies `n` bytes of a buffer or string; of a string without `n` all and a zero byte.
function ffi.copy(to, from, n)
  if not is_buffer(to) then error('a buffer was expected', 2) end
  if type(from) == 'string' and (not n or n > #from) then
    n = n or #from + 1
    from = from .. '\0'
  end
  local bytes = type(from) == 'string' and #from or is_buffer(from) and size_of(from)
  if not bytes then error('a buffer or a string was expected', 2) end
  n = check_range(n, bytes, 'source')
  check_range(n, size_of(to), 'buffer')
  block_write(to.block, to.at, ffi.string(from, n))
end

--- Sets `n` bytes to `byte`, 0 without it.
function ffi.fill(to, n, byte)
  if not is_buffer(to) then error('a buffer was expected', 2) end
  n = check_range(n, size_of(to), 'buffer')
  block_write(to.block, to.at, string.char((byte or 0) & 255):rep(n))
end

--- The same memory seen as another type of pointer; a string becomes a buffer.
function ffi.cast(declaration, value)
  local format = parse(declaration)
  if type(value) == 'string' then value = view({ head = value, cells = {} }, 0, #value, 'B') end
  if not is_buffer(value) then error('a buffer or a string was expected', 2) end
  if format == value.format then return value end
  return view(value.block, value.at, size_of(value) // string.packsize(format), format)
end

--- True for buffers.
ffi.is_buffer = is_buffer

return ffi
