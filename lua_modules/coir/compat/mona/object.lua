--- coir.compat.mona.object: objects with methods, read-only properties and a script's own fields.
---
--- What a script assigns is a plain field, and hides a method or property of that name. The state
--- that methods share is kept under a key that no script has.
local object = {}

local state_key = {}

--- A function that makes objects of a class around a state.
--- @param name string for messages
--- @param methods table
--- @param properties table name -> function(state, self)
--- @return fun(state: table): table
function object.class(name, methods, properties)
  local class = { __name = name }
  function class.__index(self, key)
    local method = methods[key]
    if method then return method end
    local property = properties[key]
    if property then return property(rawget(self, state_key), self) end
  end
  return function(state) return setmetatable({ [state_key] = state }, class) end
end

--- The state of an object. Raises when a method was called with a point instead of a colon.
--- @return table
function object.state(self)
  local state = type(self) == 'table' and rawget(self, state_key)
  if not state then error('a method is called with a colon: object:method(...)', 3) end
  return state
end

return object
