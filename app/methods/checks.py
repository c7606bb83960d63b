"""The checks of the techniques themselves: on the Sanity, Remove and retrain and Reliability pages."""

from app.methods.entries import Method

# fmt: off
SANITY: dict[str, Method] = {
    "reliability": Method(
        "Reliability card and badge", "How many of the checks does a technique pass on this run?",
        r"\text{passed of those with a verdict}",
        "Checks with a verdict: completeness, input shift, randomisation, stability, remove and retrain, removal without "
        "retraining.",
        "Every verdict has a rule that stands beside its numbers, and most rules are made of the controls: nearer to the "
        "one that knows nothing, or to the one that must fail? What was not computed, does not apply, or could not have "
        "failed, does not count. Rows about the network or its training (attention, last epochs, variance over seeds) have "
        "no verdict.",
        ("A number of passed checks is no measure of quality: a technique may pass all and still point to the wrong place.",
         "The rules are conventions of Loupe; no paper names such limits."),
        ()),
    "applies": Method(
        "Applies", "Is the technique defined for this network and layer?", "",
        "Found by running the network, not by its name.",
        "Where it is not, its place shows the reason and nothing is put in its stead.",
        ("Being defined is not being meaningful.",), ()),
    "shift": Method(
        "Input shift", "Does a map change although the network does not?",
        r"f_2(x + m) = f_1(x), \qquad b_2 = b_1 - W * m",
        "m: the shift; W, b: the first layer's weights and bias; *: the convolution, with its padding.",
        "Three modes. Exact: the correction is subtracted at every position, with the layer's own padding, so the network "
        "is provably the same. Scalar: one number a channel, as in the literature. Noise image: m differs from pixel to "
        "pixel, corrected position by position. The certificate beside it (largest change of a logit, share of changed "
        "predictions) tells what is the technique's doing and what is a changed network's.",
        ("With zero padding a scalar correction is not exact: the border changes, and that spreads one pixel with every "
         "further 3 × 3 convolution.",
         "Class activation maps read layers behind the first, which are the same before and after: they are unchanged by "
         "construction, and a card counts that neither way.",
         "A fixed baseline of integrated gradients does not move along; whether it should is a matter of choice."),
        ("kindermans",)),
    "certificate": Method(
        "Certificate", "Are two networks that should be the same really the same?",
        r"\max_{n,\,c} \left| S_2^c(x_n + m) - S_1^c(x_n) \right|",
        "S: logits, over all images n and classes c; and the share of images whose predicted class differs.",
        "In the exact mode of the input shift it is rounding, about 1e-5 and less.",
        ("Only for the images that were tried.",),
        ("kindermans",)),
    "randomisation": Method(
        "Parameter randomisation", "Does a map depend on what the network learned?",
        r"\rho\big(M(f_\theta, x),\, M(f_{\theta'}, x)\big), \qquad \theta' = \theta \text{ with layers drawn anew}",
        "ρ: Spearman's correlation over the map's positions; a technique that depends on the weights comes down to the "
        "random map's 0.",
        "Cascading (from the logits down, as the layers are executed) and layer by layer; three draws or more with a seed "
        "of its own for every layer, their median; at the map's own resolution. Batch norms begin anew too, with the "
        "statistics of a batch. Beside it a random map, which must be near 0, and an edge detector, which must fail. The number "
        "of a verdict is the larger of two: |ρ| of the maps as they are, and ρ of their magnitudes.",
        ("No ranking: a noisy map that says nothing scores best, and drawing from the top down keeps the scale of the "
         "activations below (Binder et al. 2022; repairs in Hedström et al. 2024).",
         "A technique computed at a layer cannot react to the layers below it.",
         "With a ReLU in the map, positions of 0 are ties that raise the correlation."),
        ("adebayo", "binder", "hedstrom")),
    "labels": Method(
        "Label randomisation", "Does a map show what was learned about the classes, or only the images?",
        r"\rho\big(M(f_{labels}, x),\, M(f_{shuffled}, x)\big)",
        "Two trainings that differ in one thing: in the second, the training labels are shuffled.",
        "Asked for by a button, because it is a training of its own.",
        ("The second network must have learned its labels by heart, or it is just an untrained one: look at its training "
         "accuracy.",),
        ("adebayo",)),
    "stability": Method(
        "Stability under noise", "Does a map stay where the image hardly changes?",
        r"\rho\big(M(x),\, M(x + \varepsilon)\big), \qquad \varepsilon \sim N(0, \sigma^2)",
        "σ: a small share of the image's range; beside it the share of images whose prediction stays.",
        "",
        ("A map that never changes is perfectly stable: read it together with parameter randomisation.",
         "Where the prediction changes, the map should change too."),
        ("yeh",)),
    "last-epochs": Method(
        "Stability over the last epochs", "Is the map still moving when the training ends?",
        r"\rho\big(M_{e},\, M_{e - k}\big)",
        "e: the epoch looked at; k: kept epochs before it.",
        "",
        ("Maps may settle because the learning rate has fallen to nothing.",),
        ()),
    "seeds": Method(
        "Variance over seeds", "Would the same training with other random numbers give the same result?",
        r"s = \sqrt{\tfrac{1}{n}\sum_i (a_i - \bar a)^2}",
        "a: accuracies of trainings that differ in their seed alone; ddof 0, as in the report.",
        "Of the retrained networks of Remove and retrain at one fraction; and of the maps under randomisation, over its "
        "draws.",
        ("Five seeds give a rough idea of a standard deviation, no more.",),
        ("loreth",)),
    "completeness": Method(
        "Completeness", "Do the pixels' shares add up to what they are shares of?",
        r"\delta = \frac{\left|\sum_{ij} M_{ij} - \big(S(x) - S(x')\big)\right|}{\left|S(x) - S(x')\right|}",
        "x': the baseline. From 1% on the map is flagged.",
        "",
        ("Holds of integrated gradients only, up to the error of the sum that stands for the integral.",
         "More steps do not always lower it; a relative error is large where S(x) − S(x') is small.",
         "A complete map may still point to the wrong pixels."),
        ("sundararajan",)),
    "resolution": Method(
        "Resolution", "How small can something be that a map tells apart?",
        "", "Height and width of the raw map, beside those of the image.",
        "Maps are stored at their own resolution and interpolated for the eye only.",
        ("A map of 7 × 7 drawn over 224 × 224 pixels has 49 values. What is seen between them is interpolation.",),
        ()),
    "random-map": Method(
        "Random map", "What would chance score?", r"M_{ij} \sim N(0, 1)",
        "Drawn anew for every image and every look at it.", "",
        ("Chance knows no neighbourhood: real maps are smoother, so the centre prior is the harder control.",), ()),
    "edges": Method(
        "Edge detector", "What does something score that looks at the image alone, and never at the network?",
        r"M = \sqrt{(G_x * x)^2 + (G_y * x)^2}", "G: Sobel's kernels.",
        "It must fail parameter randomisation: its maps stay as they are whatever the network is.",
        ("Looks convincing on most images, and that is the point.",), ("adebayo",)),
}

LIKENESS: dict[str, Method] = {
    "spearman": Method(
        "Spearman's rank correlation", "Do two maps order their positions alike?",
        r"\rho = \mathrm{corr}\big(\mathrm{rank}(M),\, \mathrm{rank}(M')\big)",
        "From −1 to 1; 0 is chance; ties get their mean rank.",
        "With sign, and of the magnitudes |M|: signed maps of opposite sign are alike by magnitude alone.",
        ("Blind to how large the values are.", "Undefined where a map is flat: such images are left out and counted.",
         "Neighbouring positions are not independent, so a p-value of it would mean nothing."),
        ("spearman",)),
    "ssim": Method(
        "Structural similarity (SSIM)", "Do two maps look alike, window by window?",
        r"\frac{(2\mu\mu' + c_1)(2\sigma_{MM'} + c_2)}{(\mu^2 + \mu'^2 + c_1)(\sigma^2 + \sigma'^2 + c_2)}",
        "μ, σ: mean and deviation in a window; 1 where both are equal.",
        "Of raw maps of 32 pixels a side or more.",
        ("Its windows have 7 pixels a side: of a map of 7 × 7 it means nothing.",
         "Scaling the maps beforehand changes the answer."),
        ("wang2004",)),
    "largest-difference": Method(
        "Largest difference", "How far apart are two raw maps at the place where they differ most?",
        r"\frac{\max_{ij} |M_{ij} - M'_{ij}|}{\max\big(\max |M|,\, \max |M'|\big)}",
        "0: equal; 2: opposite.", "", ("One position decides.",), ()),
}

REMOVAL: dict[str, Method] = {
    "roar": Method(
        "Remove and retrain (ROAR)", "Does a network still learn the classes without the pixels a technique calls most important?",
        r"a(t) = \text{accuracy of } f^{(t)}, \quad f^{(t)} \text{ trained on } x \odot (1 - m_t) + \bar x \odot m_t",
        "m: the mask of the top share t of an image's pixels, by |M| at the input, by M of a layer's maps; x̄: what stands in "
        "their place. The lower the curve, "
        "the more was found.",
        "Exactly round(t h w) pixels, ties drawn by a seed, one mask for all channels, in training and test images. Drawn: "
        "a dot a seed, a line through their median, and a band from the least to the largest; collapsed trainings are marked.",
        ("The shape of the mask alone can tell the class (Rong et al. 2022): see mask alone.",
         "Blurry maps score better, although blurring adds nothing (Song et al. 2023): compare class activation maps with "
         "the blurred random control, never with pixel-wise ones.",
         "Explaining the true class writes the labels into the test images; Loupe explains the predicted one by default.",
         "It judges what a new network can learn, not what the explained one used."),
        ("hooker", "rong", "song", "loreth")),
    "road": Method(
        "Remove and debias (ROAD)", "The same without retraining: pixels are replaced so that they hardly show.",
        r"x_{ij} = \sum_{(a,b) \in N(i,j)} w_{ab}\, x_{ab} + \eta",
        "N: the eight neighbours, with w = 1/6 for those that share a side and 1/12 for the others; η: Gaussian noise of 0.01.",
        "One linear system an image and channel; at the border the weights of what is outside count nothing.",
        ("The network was never trained on such images.", "Prefers blurry maps too (Song et al. 2023)."),
        ("rong", "song")),
    "mean": Method(
        "Replacement: mean", "What if removed pixels get the data's mean colour?", r"x_{ij} = \bar x",
        "Which is 0 once normalised.", "The report's and Hooker's choice.",
        ("Leaves a visible hole, whose shape may tell the class.",), ("hooker", "loreth")),
    "blur": Method(
        "Replacement: blur", "What if removed pixels get a blurred image's colour?", r"x_{ij} = (G_\sigma * x)_{ij}",
        "G: a Gaussian of 10% of the side.", "", ("Keeps what is larger than the blur.",), ()),
    "noisy-linear": Method(
        "Replacement: noisy linear imputation", "What if removed pixels get what their neighbours suggest?",
        r"x_{ij} = \sum_{(a,b) \in N(i,j)} w_{ab}\, x_{ab} + \eta", "As in ROAD.", "",
        ("Of large holes little is left but a gradient.",), ("rong",)),
    "collapse": Method(
        "Collapsed training", "Has a retrained network learned anything at all?",
        r"\big|a - \max_c p_c\big| \le 0.01 \quad \text{or} \quad \max_c q_c > 0.95",
        "p: share of a class among the test images; q: share of a class among the predictions.",
        "Such trainings are marked; the mean is given with and without them.",
        ("A hard grid may really leave nothing to learn: then a collapse is the result, not an accident.",),
        ("loreth",)),
    "random": Method(
        "Control: random", "What does it cost to lose pixels at random?", "", "One order of pixels an image, from a seed.",
        "", ("A technique that is not below it has found nothing.",), ("hooker",)),
    "sobel": Method(
        "Control: Sobel edges", "What does it cost to lose the edges?", r"\sqrt{(G_x * x)^2 + (G_y * x)^2}",
        "G: Sobel's kernels, on the image's grey values.", "",
        ("A technique that is not below it knows no more than an edge detector.",), ("hooker",)),
    "pixel": Method(
        "Control: absolute pixel value", "What does it cost to lose the pixels furthest from the mean colour?",
        r"\sum_{channels} |x_{ij}|", "x: normalised.", "On digits it removes the digit.", (), ()),
    "centre": Method(
        "Control: centre prior", "What does it cost to lose the middle of the picture?",
        r"-d_{ij}", "d: distance from the middle of the image.",
        "", ("Photographers put things in the middle: much of what a map scores it may owe to that.",), ()),
    "random-blurred": Method(
        "Control: random, blurred", "What would a map score that is as smooth as this one, and knows nothing?", "",
        "Random numbers at the resolution of the run's default layer, enlarged as its maps are.", "",
        ("The control for class activation maps.",), ("song",)),
    "mask": Method(
        "Control: mask alone", "How much does the shape of the mask tell?", r"x \leftarrow m_t",
        "The network sees white where a pixel was removed and black elsewhere, and nothing of the image.", "",
        ("Where it is far above chance, a curve measures the masks and not the pixels.",), ("rong",)),
    "deletion": Method(
        "Deletion curve", "How fast does the probability fall when the most important pixels go first?",
        r"\int_0^1 p^c\big(x \odot (1 - m_t) + \bar x \odot m_t\big)\, dt",
        "m: the mask of the top share t; x̄: the mean colour. Lower is better; an area from 0 to 1.",
        "21 shares, the run's own network, the predicted class.",
        ("Without retraining, part of the fall is surprise at images the network was never shown.",), ("petsiuk",)),
    "insertion": Method(
        "Insertion curve", "How fast does the probability rise when the most important pixels come first?",
        r"\int_0^1 p^c\big(x \odot m_t + \bar x \odot (1 - m_t)\big)\, dt",
        "As in deletion. Higher is better.", "Starts from the mean colour; the paper starts from a blurred image.",
        ("Favours techniques whose pixels lie together.",), ("petsiuk",)),
    "infidelity": Method(
        "Infidelity", "Does a map predict what hiding parts of the image does to the logit?",
        r"\frac{E_I\big[(\beta \sum_{ij} I_{ij} M_{ij} - (S(x) - S(x_I)))^2\big]}{E_I\big[(S(x) - S(x_I))^2\big]}",
        "I: a hidden square, x_I: the image with it; β: the factor that suits best. 0 is best, 1 a map that says nothing.",
        "Ten squares of a quarter of the side, by captum.metrics. The paper does not divide; divided, techniques of "
        "different scales can be compared.",
        ("Depends on what is hidden.", "With few squares the best factor flatters every map a little."), ("yeh",)),
    "sensitivity": Method(
        "Sensitivity", "How far can a map be moved by a small change of the image?",
        r"\max_{\|\delta\|_\infty \le r} \frac{\|M(x + \delta) - M(x)\|}{\|M(x)\|}", "r = 0.02 of the value range. 0 is best.",
        "Ten draws, by captum.metrics.",
        ("A maximum over the draws that were tried.", "A constant map has 0."), ("yeh",)),
}
# fmt: on
