"""Kinds of modalities, one file each: image, label, tags, text, vector, series.

A kind is one object, a :class:`mvae.kinds.base.Kind`, that knows which values a modality of it may
have, how people's values become tensors and back, the layers that read and write them, its
likelihoods and how a prediction of it is scored. A modality names its kind, and
:data:`mvae.kinds.registry.KINDS` finds the object by that name.

To add a kind:

1. Write ``mvae/kinds/NAME.py`` with a class derived from :class:`~mvae.kinds.base.Kind` or, for
   kinds that describe a sample in words, from :class:`~mvae.kinds.base.Annotation`. `name` and
   `likelihoods` are required; everything else has a default that suits real numbers or pixels.
   Override what differs: `check` (which settings fit), `event_shape`, `encode` and `decode`
   (values from people), `first_layer` and `decoder` (networks), `agreement` and `most_probable`
   (scores).
2. List an instance of it in ``mvae/kinds/registry.py``.
3. Write ``pages/parts/kinds/NAME.py`` with a class derived from
   :class:`pages.parts.kinds.base.KindView`: how it is supplied, and how it is drawn and named.
4. List an instance of that in ``pages/parts/kinds/registry.py``.

While the stage draws what is generated in the browser, it has a module of its own for each kind,
listed in ``pages/parts/stage/generated.js``; and one for each new sort of network, in
``pages/parts/stage/decoder.js``. ``tests/test_series.py`` and ``tests/pages/test_series.py`` take
the youngest kind through all of it.

Code outside of these two folders asks a modality what it can do, ``m.is_annotation`` or
``m.is_category``, and never compares the name of its kind.
"""
