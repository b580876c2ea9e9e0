--- coir.compat.vendetta.wire: Lua values as lines of JSON. Internal.
---
--- dkjson reads and writes the JSON; here it is told what Lua values mean. A table with the keys 1..n is an array,
--- and so is an empty one; any other is an object with string keys. Integers stay integers, floats stay floats,
--- to the last digit. What JSON cannot say raises.
local json = require 'dkjson'

local wire = {}

local array, object = { __jsontype = 'array' }, { __jsontype = 'object' }
-- dkjson takes a table with a number in `n` for a list of that length. Such an object is written field by field.
local object_with_n = {
  __tojson = function(self)
    local fields = {}
    for name, value in next, self do
      fields[#fields + 1] = json.quotestring(name) .. ':' .. json.encode(value)
    end
    return '{' .. table.concat(fields, ',') .. '}'
  end,
}
local number = { __tojson = function(self) return self.text end }

local function float(value)
  if value ~= value then error('JSON has no NaN', 0) end
  if value == math.huge or value == -math.huge then error('JSON has no infinities', 0) end
  local text = ('%.17g'):format(value):gsub(',', '.')
  if not text:find('[.e]') then text = text .. '.0' end
  return setmetatable({ text = text }, number)
end

local prepare

local function prepare_table(value, open)
  if open[value] then error('JSON has no cycles', 0) end
  open[value] = true
  local count = 0
  for _ in next, value do count = count + 1 end
  local copy = {}
  if count == rawlen(value) then
    for i = 1, count do copy[i] = prepare(value[i], open) end
    setmetatable(copy, array)
  else
    for k, v in next, value do
      local kind = type(k)
      if kind ~= 'string' and kind ~= 'number' then error('JSON has no keys of type ' .. kind, 0) end
      local name = tostring(k)
      if copy[name] ~= nil then error(('JSON has no two fields %q'):format(name), 0) end
      copy[name] = prepare(v, open)
    end
    setmetatable(copy, type(copy.n) == 'number' and object_with_n or object)
  end
  open[value] = nil
  return copy
end

--- What dkjson is to write for a value.
function prepare(value, open)
  local kind = type(value)
  if kind == 'nil' or value == json.null then return json.null end
  if kind == 'table' then return prepare_table(value, open) end
  if kind == 'number' and math.type(value) == 'float' then return float(value) end
  if kind == 'string' or kind == 'number' or kind == 'boolean' then return value end
  error('JSON has no values of type ' .. kind, 0)
end

--- Any number of values, nil among them, as an array.
--- @return table list to be a value of `encode`'s table
function wire.pack(...)
  local list = table.pack(...)
  for i = 1, list.n do
    if list[i] == nil then list[i] = json.null end
  end
  list.n = nil
  return list
end

--- @param value any raises for functions, cycles, NaN, infinities and other things that JSON has not
--- @return string text without a newline
function wire.encode(value)
  return json.encode(prepare(value, {}))
end

--- Takes the nulls out.
local function clean(value)
  if value == json.null then return nil end
  if type(value) == 'table' then
    for k, v in next, value do value[k] = clean(v) end
  end
  return value
end

--- @param list table an array of `decode`
--- @return any ... its values; a null is nil
function wire.unpack(list)
  local n = #list
  clean(list)
  return table.unpack(list, 1, n)
end

--- @param text string
--- @return any value with `wire.null` in the place of null; nil when the text is no JSON
function wire.decode(text)
  local ok, value, stop = pcall(json.decode, text, 1, json.null, nil, nil)
  if ok and type(stop) == 'number' and not text:find('%S', stop) then return value end
end

wire.null = json.null
wire.clean = clean

return wire
