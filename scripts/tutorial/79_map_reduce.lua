--- MapReduce: SimpleMapReduce(file_to_words, count_words) over some texts
--
-- Output:
--   the: 4
--   fox: 3
--   quick: 2

local mp = require "multiprocessing"

local function words_of(text) -- map: -> {word = count}
  local counts = {}
  for word in text:lower():gmatch "%a+" do counts[word] = (counts[word] or 0) + 1 end
  return counts
end

local function total(word, counts) -- reduce: -> {word, sum}
  local sum = 0
  for _, n in ipairs(counts) do sum = sum + n end
  return { word = word, sum = sum }
end

local texts = { "The quick brown fox", "The dog and the fox", "Quick! The fox!" }

local pool <close> = mp.Pool(2)
local partition = {}
for _, counts in pool:imap_unordered(words_of, texts) do
  for word, n in pairs(counts) do
    partition[word] = partition[word] or { word, {} }
    table.insert(partition[word][2], n)
  end
end
local pairs_of_words = {}
for _, entry in pairs(partition) do pairs_of_words[#pairs_of_words + 1] = entry end
local totals = pool:starmap(total, pairs_of_words)
table.sort(totals, function(a, b)
  if a.sum ~= b.sum then return a.sum > b.sum end
  return a.word < b.word
end)
for i = 1, 3 do print(("%s: %d"):format(totals[i].word, totals[i].sum)) end
