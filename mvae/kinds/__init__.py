"""Kinds of modalities, one file each: image, label, tags, text, vector, series.

A kind is an object, a :class:`mvae.kinds.base.Kind`, that determines which values a modality may
have, how users' values are converted to tensors and back, the layers that encode and decode them,
the possible likelihoods, and how a prediction is scored. A modality stores the name of its kind, by
which :data:`mvae.kinds.registry.KINDS` finds the object.

To add a kind:

1. Write ``mvae/kinds/NAME.py`` with a class derived from :class:`~mvae.kinds.base.Kind` or, for
   kinds that describe a sample in words, from :class:`~mvae.kinds.base.Annotation`. `name` and
   `likelihoods` are required; everything else has a default that suits real numbers or pixels.
   Override what differs: `check` (valid settings), `event_shape`, `encode` and `decode` (conversion
   of users' values), `first_layer` and `decoder` (networks), `agreement` and `most_probable`
   (scores).
2. List an instance of it in ``mvae/kinds/registry.py``.
3. Write ``pages/parts/kinds/NAME.py`` with a class derived from
   :class:`pages.parts.kinds.base.KindView`: how it is supplied, drawn and described.
4. List an instance of that class in ``pages/parts/kinds/registry.py``.
5. Add a module that draws it in the browser to ``pages/parts/stage/generated.js``; and, if its
   decoder is a new type of network, one that evaluates it to ``pages/parts/stage/decoder.js``.

``tests/test_series.py`` and ``tests/pages/test_series.py`` test all of this for the most recently
added kind.

Code outside these two folders checks the properties of a modality, such as ``m.is_annotation`` or
``m.is_category``, and never compares the name of its kind.
"""
