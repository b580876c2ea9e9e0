--- reference.lua: takes doc/reference.md apart.
local reference = {}

local function contents(path)
  local file <close> = assert(io.open(path))
  return file:read('a')
end

--- The names that a heading is about: `fiber.name([f])` is fiber.name.
local function names_in(heading)
  local names = {}
  for signature in heading:gmatch('`([^`]+)`') do
    names[#names + 1] = signature:match('^[%w_.:]+')
  end
  return names
end

--- The entries by name. Each has `labels`, in the order of their lines, and by label what the line says.
function reference.read(path)
  local entries, entry, label = {}, nil, nil
  for line in contents(path):gmatch('([^\n]*)\n') do
    if line:find('^#') then
      entry, label = nil, nil
      if line:find('^### `') then
        entry = { labels = {} }
        for _, name in ipairs(names_in(line)) do
          assert(not entries[name], name .. ' has two entries')
          entries[name] = entry
        end
      end
    elseif entry then
      local new_label, text = line:match('^%- %*%*(.-):%*%* (.*)$')
      if new_label then
        label = new_label
        entry.labels[#entry.labels + 1] = label
        entry[label] = text
      elseif line:find('^  ') and label then
        entry[label] = entry[label] .. line:gsub('^ +', ' ')
      end
    end
  end
  return entries
end

--- The socket options of the table by level: name to 'r', 'w' or 'rw'.
function reference.options(path)
  local options = {}
  local section = contents(path):match('\n### Socket options by level\n(.-)\nValues of another kind')
  for name, mark in section:gmatch('`(%u[%u%d_]+)`( ?%*?%a?%*?)') do
    options[name] = mark:match('%*(%a)%*') or 'rw'
  end
  return options
end

--- The set of error names.
function reference.error_names(path)
  local names = {}
  local section = contents(path):match('\n### Names\n.-Linux has:\n(.-)\n#')
  for name in section:gmatch('`(E[%u%d]+)`') do names[name] = true end
  return names
end

return reference
